// @vitest-environment jsdom
import { h } from "preact";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RunOverlay } from "../src/app/run_overlay.tsx";
import { focus, hovered, prefs, route, selectedSeries, sync } from "../src/app/state.ts";
import { WhyPanel } from "../src/app/why_panel.tsx";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { formatIso, type Ms } from "../src/model/units.ts";
import { bucketOf, FakeServer } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

// jsdom has no canvas to draw on.
vi.mock("../src/view/chart.ts", () => ({
  CandleChart: class {
    show(): void {}
    restyle(): void {}
    destroy(): void {}
  },
}));
window.matchMedia = () => ({ addEventListener: () => undefined, removeEventListener: () => undefined }) as never;

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
  first: { g1: 0, g2: 0 } as Record<string, number>,
  missing: new Set<number>(),
  async fetch(path: string): Promise<Response> {
    const url = new URL(path, "http://localhost");
    if (url.pathname.endsWith("/articles")) return Response.json({ articles: [] });
    api.asked.push(url.searchParams);
    const generation = url.searchParams.get("generation") ?? "g1";
    if (api.down === generation && url.searchParams.has("start")) throw new TypeError("refused");
    const server = new FakeServer(["AAPL"]);
    for (let i = api.first[generation] ?? 0; i < OLDEST_LOADED + 10; i++) {
      if (api.missing.has(i)) continue;
      server.change("AAPL", i, generation === "g1" ? 0.5 : -0.5);
      server.finish("AAPL", i);
    }
    const { buckets, ...rest } = server.rest("AAPL");
    const [start, end, cursor] = ["start", "end", "cursor"].map((name) => url.searchParams.get(name));
    if (start == null || end == null) return Response.json({ ...rest, generation, buckets: buckets.slice(-10) });
    const wanted = buckets.filter((bucket) => (cursor ?? start) <= bucket.start && bucket.start < end);
    return Response.json({ ...rest, generation, buckets: wanted.slice(0, PAGE), next_cursor: wanted[PAGE]?.start ?? null });
  },
};

const note = (): string => document.querySelector(".panel-note")?.textContent?.trim() ?? "";

beforeEach(() => {
  hide();
  hovered.value = null;
  Object.assign(api, { asked: [], down: "", first: { g1: 0, g2: 0 }, missing: new Set() });
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
    await show(() => h(RunOverlay, { names }));
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

  it("counts one article as one", async () => {
    await open(505);
    expect(document.querySelector("[data-testid=spoken]")?.textContent).toContain("1 article;");
  });
});
