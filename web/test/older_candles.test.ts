// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { h } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RunOverlay } from "../src/app/run_overlay.tsx";
import { focus, hovered, prefs, route, selectedSeries, sync } from "../src/app/state.ts";
import { WhyPanel } from "../src/app/why_panel.tsx";
import { MAX_BUCKETS } from "../src/model/series.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { e4, formatIso, type Ms } from "../src/model/units.ts";
import { bucketOf, FakeServer } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));
vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));

const KEY = seriesKey("AAPL" as Subject, "1m");
const OLDEST_LOADED = 500;
const PAGE = 100;
const startOf = (index: number): string => formatIso(bucketOf(index).start);

/** Two generations of one series, with a candle in every window that is not missing; pages as the API makes them. */
const api = {
  asked: [] as URLSearchParams[],
  /** The generation whose older candles are refused. */
  down: "",
  /** The generation of which nothing is to be had. */
  away: "",
  first: { g1: 0, g2: 0 } as Record<string, number>,
  missing: new Set<number>(),
  /** The score of the candles of the second generation. */
  second: -0.5,
  async fetch(path: string): Promise<Response> {
    const url = new URL(path, "http://localhost");
    if (url.pathname.endsWith("/articles")) return Response.json({ articles: [] });
    api.asked.push(url.searchParams);
    const generation = url.searchParams.get("generation") ?? "g1";
    if (api.away === generation || (api.down === generation && url.searchParams.has("start"))) throw new TypeError("refused");
    const server = new FakeServer(["AAPL"]);
    for (let i = api.first[generation] ?? 0; i < OLDEST_LOADED + 10; i++) {
      if (api.missing.has(i)) continue;
      server.change("AAPL", i, generation === "g1" ? 0.5 : api.second);
      server.finish("AAPL", i);
    }
    const { buckets, ...rest } = server.rest("AAPL");
    const [start, end, cursor] = ["start", "end", "cursor"].map((name) => url.searchParams.get(name));
    if (start == null || end == null) {
      const next_cursor = buckets.length > 10 ? "older" : null;
      return Response.json({ ...rest, generation, buckets: buckets.slice(-10), next_cursor });
    }
    const wanted = buckets.filter((bucket) => (cursor ?? start) <= bucket.start && bucket.start < end);
    return Response.json({ ...rest, generation, buckets: wanted.slice(0, PAGE), next_cursor: wanted[PAGE]?.start ?? null });
  },
};

const note = (): string => document.querySelector(".panel-note")?.textContent?.trim() ?? "";

beforeEach(() => {
  hide();
  hovered.value = null;
  Object.assign(api, { asked: [], down: "", away: "", first: { g1: 0, g2: 0 }, missing: new Set(), second: -0.5 });
  vi.stubGlobal("fetch", api.fetch);
  prefs.value = { ...prefs.value, zone: "utc" };
  const buckets = [...Array(10).keys()].map((i) => bucketOf(OLDEST_LOADED + i));
  sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: KEY, generation: "g1", buckets, askedAtBreak: 0, full: true });
});

describe("a link to a candle older than those that are loaded", () => {
  it("brings it with every candle between", async () => {
    visit(`/?s=AAPL&at=${startOf(200)}`);
    await show(WhyPanel);
    await settle();
    expect(focus.value?.start).toBe(bucketOf(200).start);
    const starts = selectedSeries.value.buckets.map((bucket) => bucket.start);
    expect(starts).toEqual([...Array(370).keys()].map((i) => bucketOf(140 + i).start));
    expect(document.querySelector(".why-window")).not.toBeNull();
  });

  it("says that there is none, and asks once", async () => {
    api.missing = new Set([200]);
    visit(`/?s=AAPL&at=${startOf(200)}`);
    await show(WhyPanel);
    await settle();
    expect(note()).toMatch(/^No candle begins at .*21/);
    expect(api.asked.filter((query) => query.get("cursor") === null)).toHaveLength(1);
  });

  it("asks once where nothing is older", async () => {
    api.first = { g1: OLDEST_LOADED, g2: OLDEST_LOADED };
    visit(`/?s=AAPL&at=${startOf(200)}`);
    await show(WhyPanel);
    await settle();
    expect(note()).toMatch(/^No candle begins at/);
    expect(api.asked).toHaveLength(1);
  });

  it("can be tried again when the server was away", async () => {
    api.down = "g1";
    visit(`/?s=AAPL&at=${startOf(200)}`);
    await show(WhyPanel);
    await settle();
    expect(note()).toContain("cannot be reached");
    api.down = "";
    document.querySelector<HTMLElement>(".panel-note button")?.click();
    await settle();
    await settle();
    expect(focus.value?.start).toBe(bucketOf(200).start);
  });

  it("says so when it is too far back to be joined to the newest", async () => {
    api.first = { g1: -4_000 };
    visit(`/?s=AAPL&at=${startOf(-4_000)}`);
    await show(WhyPanel);
    await settle();
    await settle();
    expect(note()).toContain("coarser resolution");
    expect(selectedSeries.value.buckets).toHaveLength(10);
  });

  it("says so when a page that was open for days has no room for it", async () => {
    const buckets = [...Array(MAX_BUCKETS).keys()].map((i) => bucketOf(OLDEST_LOADED + i));
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: KEY, generation: "g1", buckets, askedAtBreak: 0, full: true, whole: true });
    visit(`/?s=AAPL&at=${startOf(OLDEST_LOADED - 100)}`);
    await show(WhyPanel);
    await settle();
    await settle();
    expect(note()).toContain("coarser resolution");
  });

  it("is fetched again after a break of the stream", async () => {
    visit(`/?s=AAPL&at=${startOf(200)}`);
    await show(WhyPanel);
    await settle();
    sync.value = reduce(sync.value, { kind: "resync", epoch: "g1" });
    await settle();
    const buckets = [...Array(10).keys()].map((i) => bucketOf(OLDEST_LOADED + i));
    sync.value = reduce(sync.value, { kind: "fetched", key: KEY, generation: "g1", buckets, askedAtBreak: 1, full: true });
    await settle();
    await settle();
    expect(focus.value?.start).toBe(bucketOf(200).start);
  });
});

describe("the overlay of two generations", () => {
  const legend = (): string => document.querySelector(".legend")?.textContent ?? "";
  const names = { before: "g1", after: "g2", live: "g1" };
  const open = async (index: number): Promise<void> => {
    visit(`/runs/r1?s=AAPL&at=${startOf(index)}`);
    await show(() => h(RunOverlay, { names, state: "completed" }));
    await settle();
    await settle();
  };

  it("shows the pair of the link, fetched from both", async () => {
    await open(200);
    expect(document.querySelector("[data-testid=spoken]")?.textContent).toContain("close moved by −1.00");
    expect(route.value.at).toBe(bucketOf(200).start as Ms);
  });

  it("shows no other pair when neither has one", async () => {
    api.missing = new Set([200]);
    await open(200);
    expect(legend()).toMatch(/^No candle begins at/);
  });

  it("shows a pair of which one has no candle", async () => {
    api.first = { g1: 0, g2: OLDEST_LOADED };
    await open(200);
    expect(legend()).toContain("no candle");
  });

  it("tells of no difference where only one of them could be loaded", async () => {
    api.down = "g2";
    await open(200);
    expect(legend()).toContain("cannot be reached");
    expect(document.querySelector(".overlay-verdicts")?.textContent).not.toContain("only in");
  });

  const verdicts = (): string => document.querySelector(".overlay-verdicts")?.textContent ?? "";
  const live = (from: number, to: number, whole = false): void => {
    const half = e4(5_000);
    const same = { open: half, high: half, low: half, close: half, sum: half, positive: 1, neutral: 0 };
    const buckets = [...Array(to - from).keys()].map((i) => bucketOf(from + i, same));
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: KEY, generation: "g1", buckets, askedAtBreak: 0, full: true, whole });
  };
  const openNewest = async (): Promise<void> => {
    visit("/runs/r1?s=AAPL");
    await show(() => h(RunOverlay, { names, state: "completed" }));
    await settle();
  };

  it("finds no difference in two that are equal, wherever their newest candles begin and end", async () => {
    api.second = 0.5;
    live(OLDEST_LOADED + 5, OLDEST_LOADED + 20);
    await openNewest();
    expect(verdicts()).toBe("Of 15 candles loaded: 0 changed, 5 equal, 10 newer in g1.");
    live(OLDEST_LOADED - 50, OLDEST_LOADED + 10);
    await settle();
    expect(verdicts()).toBe("Of 10 candles loaded: 0 changed, 10 equal.");
  });

  it("tells of what one has alone where the other is known to begin", async () => {
    api.first = { g1: 0, g2: OLDEST_LOADED };
    live(OLDEST_LOADED - 50, OLDEST_LOADED + 10);
    await openNewest();
    expect(verdicts()).toBe("Of 60 candles loaded: 10 changed, 0 equal, 50 only in g1.");
  });

  it("compares nothing while one could not be loaded, and can be tried again", async () => {
    api.away = "g2";
    await openNewest();
    expect(verdicts() + legend().trim()).toBe("");
    expect(document.querySelector(".cover")?.textContent).toContain("cannot be reached");
    api.away = "";
    document.querySelector<HTMLElement>(".cover button")?.click();
    await settle();
    await settle();
    expect(verdicts()).toContain("Of 10 candles loaded");
  });

  it("compares nothing while the live one is not there, nor with a generation that is no longer live", async () => {
    sync.value = INITIAL_SYNC;
    await openNewest();
    expect(verdicts()).toBe("");
    expect(document.querySelector(".cover")?.textContent).toBe("Loading");
    const buckets = [bucketOf(OLDEST_LOADED)];
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: KEY, generation: "g3", buckets, askedAtBreak: 0, full: true });
    await settle();
    expect(verdicts()).toBe("");
  });

  it("tells of what the built one has alone where the live one is known to begin", async () => {
    api.first = { g1: OLDEST_LOADED + 5, g2: OLDEST_LOADED };
    api.second = 0.5;
    live(OLDEST_LOADED + 5, OLDEST_LOADED + 10, true);
    await openNewest();
    expect(verdicts()).toBe("Of 10 candles loaded: 0 changed, 5 equal, 5 only in g2.");
  });

  it("replaces what is older together with the newest, and never tells of what is not so", async () => {
    const state = signal("running");
    api.second = 0.5;
    live(200, OLDEST_LOADED + 10);
    visit(`/runs/r1?s=AAPL&at=${startOf(200)}`);
    await show(() => h(RunOverlay, { names, state: state.value }));
    await settle();
    await settle();
    const whole = "Of 310 candles loaded: 0 changed, 310 equal.";
    expect(verdicts()).toBe(whole);
    const seen = new Set<string>();
    const watcher = new MutationObserver(() => seen.add(`${verdicts()} ${legend()}`));
    watcher.observe(document.body, { childList: true, subtree: true, characterData: true });
    api.second = -0.5;
    const before = api.asked.length;
    state.value = "completed";
    await settle();
    await settle();
    watcher.disconnect();
    expect(api.asked.length).toBeGreaterThan(before);
    expect(verdicts()).toBe("Of 310 candles loaded: 310 changed, 0 equal.");
    expect([...seen].filter((text) => /only in|No candle|Loading/.test(text))).toEqual([]);
  });

  it("says of no candle that it is not there before it is shown", async () => {
    const seen = new Set<string>();
    const watcher = new MutationObserver(() => seen.add(legend()));
    watcher.observe(document.body, { childList: true, subtree: true, characterData: true });
    await open(200);
    watcher.disconnect();
    expect([...seen].filter((text) => text.includes("No candle"))).toEqual([]);
  });

  describe("while its run goes on", () => {
    let answered = 0;
    // The page of the run asks anew every other second, and shows what it was told.
    const turn = signal(0);
    const pass = async (seconds: number): Promise<void> => {
      for (let i = 0; i < seconds; i++) {
        await vi.advanceTimersByTimeAsync(1_000);
        turn.value += 1;
      }
    };
    const openSlow = async (address: string, state: () => string, waits: (path: string) => number): Promise<void> => {
      vi.useFakeTimers();
      answered = 0;
      vi.stubGlobal("fetch", async (path: string, { signal: stop }: RequestInit) => {
        await new Promise((done) => setTimeout(done, waits(path)));
        stop?.throwIfAborted();
        answered += 1;
        return api.fetch(path);
      });
      visit(address);
      void show(() => h(RunOverlay, { names: { ...names }, state: turn.value >= 0 ? state() : "" }));
    };
    afterEach(() => void vi.useRealTimers());

    it("is followed, however slow the answers are, and asked for at once when the run has ended", async () => {
      const state = signal("running");
      await openSlow("/runs/r1?s=AAPL", () => state.value, () => 4_000);
      await pass(30);
      expect([answered, verdicts()]).toEqual([3, "Of 10 candles loaded: 10 changed, 0 equal."]);
      state.value = "completed";
      await pass(5);
      expect(answered).toBe(4);
      await pass(60);
      expect(answered).toBe(4);
    });

    it("takes up older candles that come after newer ones of the newest", async () => {
      live(OLDEST_LOADED - 310, OLDEST_LOADED + 10);
      const isOlder = (path: string): boolean => path.includes("start=") && !path.includes("cursor=");
      await openSlow(`/runs/r1?s=AAPL&at=${startOf(200)}`, () => "running", (path) => (isOlder(path) ? 8_000 : 100));
      await pass(15);
      expect(verdicts()).toBe("Of 320 candles loaded: 320 changed, 0 equal.");
    });
  });

  it("counts one article as one", async () => {
    await open(505);
    expect(document.querySelector("[data-testid=spoken]")?.textContent).toContain("1 article;");
  });
});
