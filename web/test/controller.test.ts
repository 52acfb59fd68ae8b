// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadFull, loadSubjects, retryNow, start } from "../src/app/controller.ts";
import { setPrefs } from "../src/app/navigation.ts";
import { crowded, failure, flags, headlines, health, link, now, prefs, problems, route, subjects, sync, toldAt, watched } from "../src/app/state.ts";
import { firstShown } from "../src/app/shown.ts";
import { followSwaps } from "../src/app/swaps.ts";
import { startUpkeep } from "../src/app/upkeep.ts";
import { INITIAL_LINK, KEPT_FOR, type PageMessage, type WorkerMessage } from "../src/model/protocol.ts";
import type { NewItem } from "../src/model/stream_event.ts";
import { seriesKey, type SeriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce, seriesOf } from "../src/model/sync.ts";
import { formatIso, ms } from "../src/model/units.ts";
import { bucketOf, FakeServer } from "./fake_server.ts";
import { settle, visit } from "./page.ts";

const AAPL = "AAPL" as Subject;
const KEY = seriesKey(AAPL, "1m");

/** The page's end of a worker that says only what a test lets it say. */
const worker = vi.hoisted(() => ({
  posts: [] as PageMessage[],
  version: 0,
  opened: 0,
  say: (_message: WorkerMessage): void => undefined,
  fail: (): void => undefined,
}));
vi.mock("../src/store/stream_port.ts", () => ({
  openStreamPort: (receive: typeof worker.say, onError: () => void) => {
    worker.opened += 1;
    worker.say = receive;
    worker.fail = onError;
    const post = (message: PageMessage): void => {
      worker.posts.push(message);
      if (message.type === "subscribe") worker.version = message.version;
    };
    return { post, close: () => undefined };
  },
}));

const subscriptions = () => worker.posts.filter((message) => message.type === "subscribe");
const attach = (): void => worker.say({ type: "attached", version: worker.version, accepted: true });
const tell = (index: number, rev: number): void =>
  worker.say({ type: "updates", updates: [{ key: KEY, bucket: bucketOf(index, { rev }), origin: null }] });

/** Answers as the API does, when a test lets it: `held` answers wait, paths with `down` in them are refused. */
const api = {
  asked: [] as string[],
  held: false,
  down: "",
  generation: "g1",
  subjects: ["AAPL", "MSFT"],
  release: [] as (() => void)[],
  times: (part: string): number => api.asked.filter((url) => url.includes(part)).length,
  async fetch(url: string): Promise<Response> {
    api.asked.push(url);
    if (api.held) await new Promise<void>((resolve) => api.release.push(resolve));
    if (api.down !== "" && url.includes(api.down)) throw new TypeError("refused");
    const swap = { at: formatIso(bucketOf(0).start), generation: "g1" };
    if (url.includes("/generations")) return Response.json({ swaps: [swap] });
    if (url.includes("/subjects")) return Response.json({ subjects: api.subjects.map((subject) => ({ subject })) });
    const generation = api.generation;
    const [, list = "", width = ""] = /tickers=(.*)&resolution=(\w*)/.exec(decodeURIComponent(url)) ?? [];
    const short = list.split(",").map((row) => ({ ...new FakeServer([row]).rest(row), resolution: width, generation }));
    if (list !== "") return Response.json({ series: short });
    const [, ticker = "", resolution = ""] = /timeseries\/(.*)\?resolution=(.*)/.exec(url) ?? [];
    const answer = new FakeServer([ticker]).rest(ticker);
    return Response.json({ ...answer, resolution, generation });
  },
};
const whole = (key: SeriesKey): string => `/timeseries/${key.replace("@", "?resolution=")}`;

function hide(hidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  document.dispatchEvent(new Event("visibilitychange"));
}

vi.stubGlobal("fetch", api.fetch);
hide(false);
visit("/?s=AAPL");
start();
const firstSaid = worker.posts[0];
await settle();
// What was answered first is asked for once more.
await new Promise((resolve) => setTimeout(resolve, KEPT_FOR + 50));
await settle();

beforeEach(async () => {
  Object.assign(api, { held: false, down: "", generation: "g1" });
  sync.value = INITIAL_SYNC;
  link.value = INITIAL_LINK;
  setPrefs({ watched: [AAPL] });
  visit("/?s=AAPL");
  attach();
  await settle();
  worker.posts.length = api.asked.length = 0;
});

describe("headlines", () => {
  it("are each kept once for a subject: a stream that goes back a little repeats them", () => {
    headlines.value = [];
    const items = [...Array(25).keys()].map((i): NewItem => ({ eventId: `e${i >> 1}`, subject: (i % 2 === 0 ? "AAPL" : "MSFT") as Subject, title: "t", label: null, polarity: null, at: ms(i) }));
    worker.say({ type: "items", items: items.slice(0, 5) });
    worker.say({ type: "items", items: items.slice(2, 8) });
    expect(headlines.value.map(({ at }) => at)).toEqual([7, 6, 5, 4, 3, 2, 1, 0]);
    worker.say({ type: "items", items });
    expect(headlines.value).toHaveLength(20);
    expect(new Set(headlines.value.map(({ at }) => at)).size).toBe(20);
  });

  const item = (eventId: string, subject: string, at: number): NewItem =>
    ({ eventId, subject: subject as Subject, title: "t", label: null, polarity: null, at: ms(at) });

  it("tell when the newest about a subject was published, also when those of others have taken their place", () => {
    toldAt.value = {};
    worker.say({ type: "items", items: [item("a", "AAPL", 5), item("b", "AAPL", 3)] });
    worker.say({ type: "items", items: [...Array(25).keys()].map((i) => item(`c${i}`, "MSFT", 100 + i)) });
    expect(headlines.value.some(({ subject }) => subject === "AAPL")).toBe(false);
    expect(toldAt.value).toEqual({ AAPL: 5, MSFT: 124 });
  });

  it("came when they came, not when the clock of the page was last read", () => {
    now.value = ms(0);
    link.value = { ...INITIAL_LINK, clockOffset: ms(60_000) };
    worker.say({ type: "items", items: [item("now", "AAPL", 1)] });
    expect(Math.abs((firstShown.get("now") ?? 0) - Date.now() - 60_000)).toBeLessThan(100);
  });
});

describe("a subscription", () => {
  it("is followed by a fetch though one that began before it is on its way", async () => {
    const ahead = seriesKey(AAPL, "5m");
    api.held = true;
    void loadFull(ahead);
    visit("/?s=AAPL&r=5m");
    await settle();
    attach();
    expect(api.times(whole(ahead))).toBe(2);
    api.release.splice(0).forEach((go) => go());
    await settle();
  });

  it.each(["/?s=AAPL", "/grid?s=AAPL"])("stays while the reader steps through the candles of %s", async (address) => {
    // The list of a reader who has chosen none is made from the server's subjects.
    prefs.value = { ...prefs.value, watched: null };
    visit(address);
    await settle();
    expect(subjects.value?.subjects.length).toBe(2);
    attach();
    await settle();
    worker.posts.length = api.asked.length = 0;
    for (let i = 0; i < 3; i++) {
      route.value = { ...route.value, at: bucketOf(i).start };
      await settle();
    }
    await settle();
    expect([subscriptions(), api.asked]).toEqual([[], []]);
    visit("/?s=MSFT");
    await settle();
    await settle();
    expect(subscriptions().length).toBe(1);
  });
});

describe("a series that the stream does not carry", () => {
  const ahead = seriesKey(AAPL, "5m");
  const stale = (key: SeriesKey): boolean => seriesOf(sync.value, key).stale;
  const show = async (address: string): Promise<void> => {
    visit(address);
    await settle();
  };

  it("is not certain when it is shown, until the server has answered again", async () => {
    await show("/?s=AAPL&r=5m");
    attach();
    await show("/?s=AAPL");
    expect([stale(ahead), stale(KEY)]).toEqual([false, true]);
    attach();
    await settle();
    expect(stale(KEY)).toBe(false);
    // A neighbour that was fetched beforehand.
    await loadFull(ahead);
    expect(stale(ahead)).toBe(false);
    await show("/?s=AAPL&r=5m");
    expect(seriesOf(sync.value, ahead)).toMatchObject({ stale: true, fromCache: true });
    attach();
    await settle();
    expect([stale(ahead), subscriptions().length]).toEqual([false, 3]);
  });

  it("stays certain while the subscription stays: a reader who flips past a resolution", async () => {
    await vi.waitFor(() => expect(stale(KEY)).toBe(false));
    await loadFull(ahead);
    visit("/?s=AAPL&r=5m");
    visit("/?s=AAPL");
    await settle();
    expect([stale(ahead), stale(KEY)]).toEqual([true, false]);
    expect(subscriptions().length).toBe(1);
  });
});

describe("the position of an answer", () => {
  it("is where the stream may begin", async () => {
    await loadFull(KEY);
    expect(worker.posts).toContainEqual({ type: "seed", cursor: "g1.0" });
  });
});

describe("a page in the background", () => {
  it("says whether it is looked at before it asks for anything", () => {
    expect(firstSaid).toEqual({ type: "visibility", hidden: false });
  });
});

describe("updates", () => {
  it("do not pile up when the page is hidden before its next frame", async () => {
    const frames = vi.spyOn(window, "requestAnimationFrame").mockReturnValue(7);
    tell(1, 5);
    expect(seriesOf(sync.value, KEY).buckets).toEqual([]);
    hide(true);
    expect(seriesOf(sync.value, KEY).buckets.map(({ rev }) => rev)).toEqual([5]);
    tell(1, 6);
    await vi.waitFor(() => expect(seriesOf(sync.value, KEY).buckets.map(({ rev }) => rev)).toEqual([6]));
    frames.mockRestore();
    hide(false);
  });
});

describe("a promote", () => {
  it("is asked about again when the process that answers has not heard of it", async () => {
    await vi.waitFor(() => expect(seriesOf(sync.value, KEY).stale).toBe(false));
    worker.say({ type: "resync", epoch: "g2" });
    await settle();
    expect([seriesOf(sync.value, KEY).stale, api.times(whole(KEY))]).toEqual([true, 1]);
    api.generation = "g2";
    await vi.waitFor(() => expect(seriesOf(sync.value, KEY)).toMatchObject({ stale: false, generation: "g2" }), 3_000);
    expect(api.times(whole(KEY))).toBe(2);
  });
});

describe("a break that cannot be resumed", () => {
  const resync = (): void => worker.say({ type: "resync", epoch: "g1" });

  beforeEach(async () => {
    vi.useFakeTimers();
    await vi.advanceTimersByTimeAsync(KEPT_FOR);
    api.asked.length = 0;
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is followed by a second fetch, once no answer can be as old as the break", async () => {
    resync();
    await vi.advanceTimersByTimeAsync(KEPT_FOR / 2);
    resync();
    await vi.advanceTimersByTimeAsync(KEPT_FOR - 1);
    expect(api.times(whole(KEY))).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(api.times(whole(KEY))).toBe(3);
    await vi.advanceTimersByTimeAsync(2 * KEPT_FOR);
    expect(api.times(whole(KEY))).toBe(3);
  });

  it("is asked about again though the first answer is still on its way", async () => {
    api.held = true;
    resync();
    await vi.advanceTimersByTimeAsync(KEPT_FOR);
    expect(api.times(whole(KEY))).toBe(2);
    api.release.splice(0).forEach((go) => go());
  });

  it("asks then for what is shown then", async () => {
    resync();
    visit("/?s=MSFT");
    await vi.advanceTimersByTimeAsync(0);
    api.asked.length = 0;
    await vi.advanceTimersByTimeAsync(KEPT_FOR);
    expect([api.times(whole(KEY)), api.times("/MSFT?")]).toEqual([0, 2]);
  });

  it("is over with the worker", async () => {
    resync();
    worker.fail();
    api.asked.length = 0;
    await vi.advanceTimersByTimeAsync(2 * KEPT_FOR);
    expect(api.asked).toEqual([]);
    retryNow();
  });
});

describe("a page opened around a promote", () => {
  it("takes nothing for certain that is of the generation before", async () => {
    worker.say({ type: "epoch", epoch: "g2" });
    expect(worker.posts).toEqual([]);
    attach();
    await settle();
    expect(seriesOf(sync.value, KEY).stale).toBe(true);
    api.generation = "g2";
    await vi.waitFor(() => expect(seriesOf(sync.value, KEY)).toMatchObject({ stale: false, generation: "g2" }), 3_000);
  });
});

describe("a page that the stream had no room for", () => {
  it("holds nothing for certain when it is served again", async () => {
    worker.say({ type: "attached", version: worker.version, accepted: false });
    expect(crowded.value).toBe(true);
    worker.say({ type: "link", link: { ...INITIAL_LINK, phase: "open" } });
    expect(health.value.state).toBe("delayed");
    api.held = true;
    attach();
    expect([crowded.value, seriesOf(sync.value, KEY).stale]).toEqual([false, true]);
    api.release.splice(0).forEach((go) => go());
  });
});

describe("a worker that does not start", () => {
  it("is started anew when the reader asks", async () => {
    const { opened } = worker;
    worker.fail();
    expect(health.value).toMatchObject({ state: "offline", label: "Stopped" });
    worker.posts.length = 0;
    retryNow();
    expect(worker.opened).toBe(opened + 1);
    expect(worker.posts).toEqual([{ type: "subscribe", subjects: [AAPL], resolutions: ["1m"], version: worker.version }]);
    retryNow();
    expect([worker.opened, worker.posts.at(-1)]).toEqual([opened + 1, { type: "retry" }]);
  });
});

describe("the list of subjects", () => {
  it("fills the list of a reader who has chosen none, and what is shown stays where it is", async () => {
    prefs.value = { ...prefs.value, watched: null };
    visit("/");
    const before = watched.value;
    api.subjects = ["NEW", ...before];
    await loadSubjects();
    expect(watched.value).toEqual([...before, "NEW"]);
  });

  it("is asked for again with another generation, and tells of no failure where a series does", async () => {
    worker.say({ type: "resync", epoch: "g1" });
    expect(api.times("/subjects")).toBe(1);
    api.down = "/subjects";
    await loadSubjects();
    expect(failure.value).toBeNull();
  });
});

describe("a series that the server refuses", () => {
  it("says so itself, and tells nothing of the others", async () => {
    const other = seriesKey("MSFT" as Subject, "1m");
    api.down = "/MSFT?";
    await loadFull(other);
    await loadFull(KEY);
    expect([problems.value[other], problems.value[KEY], failure.value]).toEqual(["The server cannot be reached.", null, null]);
    api.down = "";
    await loadFull(other);
    expect(problems.value[other]).toBeNull();
  });
});

describe("marks of swaps", () => {
  it("are there though the stream resumes at once, and are asked for again with another generation", async () => {
    followSwaps();
    await vi.waitFor(() => expect(flags.value).toEqual([{ at: bucketOf(0).start, text: "g1 live" }]));
    expect(api.times("/generations")).toBe(1);
    sync.value = reduce(sync.value, { kind: "resync", epoch: "g2" });
    expect(api.times("/generations")).toBe(2);
  });
});

describe("neighbouring resolutions", () => {
  it("are asked for once, not with every update, while the server refuses them", async () => {
    const neighbour = seriesKey(AAPL, "5m");
    api.down = "resolution=5m";
    window.requestIdleCallback = (run) => window.setTimeout(run, 0);
    startUpkeep();
    await settle();
    for (let rev = 2; rev < 6; rev++) {
      tell(1, rev);
      await settle();
    }
    expect(seriesOf(sync.value, KEY).buckets.map(({ rev }) => rev)).toEqual([5]);
    expect(api.times(whole(neighbour))).toBe(1);
  });
});
