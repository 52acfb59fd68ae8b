// @vitest-environment jsdom
import "fake-indexeddb/auto";
import { expect, it, vi } from "vitest";
import { retryNow, start } from "../src/app/controller.ts";
import { failure, link, prefs, sync, watched } from "../src/app/state.ts";
import { startUpkeep } from "../src/app/upkeep.ts";
import { INITIAL_LINK, type PageMessage, type WorkerMessage } from "../src/model/protocol.ts";
import { MAX_BUCKETS } from "../src/model/series.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { seriesOf, type SeriesState } from "../src/model/sync.ts";
import { ms } from "../src/model/units.ts";
import { SeriesCache } from "../src/store/cache.ts";
import { FakeServer } from "./fake_server.ts";
import { visit } from "./page.ts";

const worker = vi.hoisted(() => ({ lives: true, version: 0, opened: 0, posts: [] as PageMessage[], say: (_message: WorkerMessage): void => undefined }));
vi.mock("../src/store/stream_port.ts", () => ({
  openStreamPort: (receive: typeof worker.say) => {
    worker.opened += 1;
    worker.say = receive;
    const post = (message: PageMessage): void => {
      worker.posts.push(message);
      if (message.type === "subscribe") worker.version = message.version;
      if (message.type === "retry" && worker.lives) receive({ type: "link", link: link.value });
    };
    return { post, close: () => worker.posts.push({ type: "leave" }) };
  },
}));

const server = new FakeServer(["AAPL", "MSFT"]);
const api = {
  subjects: [] as string[],
  busy: "",
  asked: [] as string[],
  times: (part: string): number => api.asked.filter((url) => url.includes(part)).length,
  async fetch(url: string): Promise<Response> {
    api.asked.push(url);
    if (api.busy !== "" && url.includes(api.busy)) return Response.json({ detail: "busy" }, { status: 503 });
    if (url.includes("/subjects")) return Response.json({ subjects: api.subjects.map((subject) => ({ subject })) });
    const tickers = /tickers=([^&]*)/.exec(url)?.[1]?.split(",");
    if (tickers !== undefined) return Response.json({ series: tickers.map((ticker) => server.rest(ticker)) });
    return Response.json(server.rest(/timeseries\/(\w+)/.exec(url)?.[1] ?? ""));
  },
};
const row = (ticker: string): SeriesState => seriesOf(sync.value, seriesKey(ticker as Subject, "1m"));
const attach = (): void => worker.say({ type: "attached", version: worker.version, accepted: true });

vi.useFakeTimers();
vi.stubGlobal("fetch", api.fetch);
window.requestIdleCallback = () => 0;
start();
startUpkeep();

it("shows the first subject of a server that had none when the page was opened", async () => {
  await vi.advanceTimersByTimeAsync(30_000);
  expect(watched.value).toEqual([]);
  const asked = api.times("/subjects");
  retryNow();
  expect(api.times("/subjects")).toBe(asked + 1);
  api.subjects = ["AAPL"];
  await vi.advanceTimersByTimeAsync(10_000);
  expect(watched.value).toEqual(["AAPL"]);
});

it("asks once a minute for what there is to watch", async () => {
  const asked = api.times("/subjects");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(api.times("/subjects") - asked).toBe(10);
});

it.each([
  ["a chart of the grid", "/grid", "/MSFT?"],
  ["a row of the watch list", "/", "tickers=MSFT"],
])("asks again for %s that the server refused", async (_what, address, busy) => {
  server.change("MSFT", 0, 0.5);
  prefs.value = { ...prefs.value, watched: ["AAPL", "MSFT"] as Subject[] };
  visit(address);
  await vi.advanceTimersByTimeAsync(1_000);
  attach();
  await vi.advanceTimersByTimeAsync(1_000);
  const before = row("MSFT").buckets[0]?.rev ?? 0;
  server.change("MSFT", 0, 0.6);
  api.busy = busy;
  worker.say({ type: "resync", epoch: "g1" });
  await vi.advanceTimersByTimeAsync(1_000);
  expect([failure.value, row("MSFT").fromCache]).toEqual([null, true]);
  api.busy = "";
  await vi.advanceTimersByTimeAsync(10_000);
  expect(row("MSFT")).toMatchObject({ fromCache: false, buckets: [{ rev: before + 1 }] });
  api.asked.length = 0;
  await vi.advanceTimersByTimeAsync(40_000);
  expect(api.times("/timeseries")).toBe(0);
});

it.each(["stopped", "offline"] as const)("believes the answers when no stream tells any more which generation is live: %s", async (phase) => {
  const before = server.epoch;
  worker.say({ type: "resync", epoch: before });
  await vi.advanceTimersByTimeAsync(1_000);
  server.promote(`after ${phase}`);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(row("AAPL").generation).toBe(before);
  worker.say({ type: "link", link: { ...INITIAL_LINK, phase } });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(row("AAPL")).toMatchObject({ generation: `after ${phase}`, stale: false });
  link.value = INITIAL_LINK;
});

it("asks for itself when nothing is heard of the stream", async () => {
  worker.say({ type: "resync", epoch: server.epoch });
  worker.say({ type: "link", link: { ...INITIAL_LINK, phase: "open", heardAt: ms(Date.now()) } });
  await vi.advanceTimersByTimeAsync(11_000);
  api.asked.length = 0;
  const { opened } = worker;
  await vi.advanceTimersByTimeAsync(20_000);
  expect([api.times("/AAPL?") > 0, worker.opened]).toEqual([true, opened]);
  link.value = INITIAL_LINK;
});

const said = (): string[] => worker.posts.map(({ type }) => type).filter((type) => type !== "seed");

it.each(["open", "polling", "paused", "connecting", "waiting"] as const)("opens another worker when one answers no question: %s", async (phase) => {
  const retryAt = phase === "waiting" ? ms(Date.now() + 60_000) : null;
  worker.say({ type: "link", link: { ...INITIAL_LINK, phase, retryAt, heardAt: ms(Date.now()) } });
  worker.posts.length = 0;
  worker.lives = false;
  const { opened } = worker;
  await vi.advanceTimersByTimeAsync(retryAt === null ? 89_000 : 149_000);
  expect(said()).toEqual([]);
  await vi.advanceTimersByTimeAsync(22_000);
  expect([worker.opened, said()]).toEqual([opened + 1, ["retry", "leave", "subscribe"]]);
  worker.lives = true;
  link.value = INITIAL_LINK;
});

it("keeps its worker when the machine slept", async () => {
  const say = (): void => worker.say({ type: "link", link: { ...INITIAL_LINK, phase: "open", heardAt: ms(Date.now()) } });
  const { opened } = worker;
  worker.posts.length = 0;
  for (const night of [1, 2]) {
    say();
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(said().length).toBe(night);
    say();
    await vi.advanceTimersByTimeAsync(60_000);
  }
  expect([worker.opened, said()]).toEqual([opened, ["retry", "retry"]]);
  link.value = INITIAL_LINK;
});

it("asks after an open stream when the page is shown again: the machine may have slept", () => {
  const shown = (hidden: boolean): void => {
    vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
    worker.posts.length = 0;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  shown(true);
  shown(false);
  expect(worker.posts).toEqual([{ type: "visibility", hidden: false }]);
  worker.say({ type: "link", link: { ...INITIAL_LINK, phase: "open" } });
  shown(true);
  shown(false);
  expect(worker.posts).toEqual([{ type: "visibility", hidden: false }, { type: "retry" }]);
  link.value = INITIAL_LINK;
});

it("keeps what it shows for the next visit, and nothing of another generation", async () => {
  const cache = new SeriesCache();
  const gone = seriesKey("TSLA" as Subject, "1m");
  await Promise.all([cache.write(gone, "g1", [], ms(Date.now())), vi.advanceTimersByTimeAsync(1_000)]);
  server.promote("g3");
  server.change("AAPL", 2, 0.5);
  worker.say({ type: "resync", epoch: "g3" });
  await vi.advanceTimersByTimeAsync(10_000);
  const read = Promise.all([cache.read(gone), cache.read(seriesKey("AAPL" as Subject, "1m"))]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await read).toMatchObject([null, { generation: "g3", buckets: row("AAPL").buckets }]);
});

it("keeps the beginning of a series of which a row of the list has the end", async () => {
  const cache = new SeriesCache();
  const key = seriesKey("MSFT" as Subject, "1m");
  const [newest] = row("MSFT").buckets;
  if (newest === undefined) throw new Error("nothing of MSFT");
  const at = (back: number, rev = 1) => ({ ...newest, rev, start: ms(newest.start - back * 60_000), end: ms(newest.end - back * 60_000) });
  // The newest is of another log, in which there were more revisions.
  await Promise.all([cache.write(key, "g3", [at(40), at(30), at(20), at(0, 900)], ms(Date.now())), vi.advanceTimersByTimeAsync(1_000)]);
  sync.value = { ...sync.value, series: new Map([...sync.value.series, [key, { ...row("MSFT"), generation: "g3", stale: true, fromCache: false }]]) };
  worker.say({ type: "updates", updates: [{ key, bucket: { ...newest, rev: newest.rev + 1 }, origin: null }] } as never);
  await vi.advanceTimersByTimeAsync(10_000);
  const read = cache.read(key);
  await vi.advanceTimersByTimeAsync(1_000);
  expect((await read)?.buckets).toEqual([at(40), at(30), at(20), ...row("MSFT").buckets]);
});

it("names on the tab what is shown", () => {
  visit("/?s=MSFT&r=3h");
  expect(document.title).toBe("MSFT · Candlewick");
  visit("/runs/r1?s=MSFT");
  expect(document.title).toBe("r1 · Runs · Candlewick");
  visit("/");
});

it("tells the worker of the network, and that the page goes", () => {
  worker.posts.length = 0;
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("pagehide"));
  expect(worker.posts).toEqual([{ type: "network", online: navigator.onLine }, { type: "leave" }]);
});

it("what is kept of a row of the list stays bounded, however long the page is open", async () => {
  const cache = new SeriesCache();
  const key = seriesKey("MSFT" as Subject, "1m");
  server.change("MSFT", 0, 0.5);
  api.subjects = ["AAPL", "MSFT"];
  prefs.value = { ...prefs.value, watched: ["AAPL", "MSFT"] as Subject[] };
  visit("/?s=AAPL");
  await vi.advanceTimersByTimeAsync(1_000);
  attach();
  await vi.advanceTimersByTimeAsync(1_000);
  const [one] = row("MSFT").buckets;
  if (one === undefined) throw new Error("nothing of MSFT");
  const at = (i: number) => ({ ...one, start: ms(one.start + i * 60_000), end: ms(one.end + i * 60_000) });
  expect(row("MSFT").stale, "a row is never loaded whole").toBe(true);
  const sizes: number[] = [];
  for (let day = 0; day < 4; day++) {
    for (let part = 0; part < 4; part++) {
      const updates = [...Array(360).keys()].map((i) => ({ key, bucket: at(1 + day * 1_440 + part * 360 + i), origin: null }));
      worker.say({ type: "updates", updates });
      await vi.advanceTimersByTimeAsync(6_000);
    }
    const read = cache.read(key);
    await vi.advanceTimersByTimeAsync(1_000);
    sizes.push((await read)?.buckets.length ?? 0);
  }
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_BUCKETS);
}, 60_000);
