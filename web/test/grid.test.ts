// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { GridPage } from "../src/app/grid_page.tsx";
import { hovered, link, now, prefs, problems, route, sync } from "../src/app/state.ts";
import { stepTo } from "../src/app/stepping.ts";
import { INITIAL_LINK, type Link } from "../src/model/protocol.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { type Ms, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, press, settle, show, visit } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

const AAPL = "AAPL" as Subject;
const BUCKETS = [0, 1, 5, 6].map((i) => bucketOf(i));
const startOf = (index: number): Ms => bucketOf(index).start;

beforeEach(() => {
  hide();
  hovered.value = null;
  prefs.value = { ...prefs.value, watched: [AAPL] };
  sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: seriesKey(AAPL, "1m"), generation: "g1", buckets: BUCKETS, askedAtBreak: 0, full: true });
  visit("/grid");
});

describe("a step along candles", () => {
  it.each([
    [startOf(1), 1, 5], [startOf(5), -1, 1], [startOf(3), 1, 5], [startOf(3), -1, 1], [startOf(3), 10, 6],
    [null, -1, 6], [null, 1, 6], [startOf(6), 1, 6], [startOf(0), -1, 0], [startOf(5), "first", 0], [startOf(5), "last", 6],
  ] as const)("from %s by %s ends at number %s", (from, step, to) => {
    expect(stepTo(BUCKETS, from, step)?.start).toBe(startOf(to));
  });

  it("leads nowhere where there are none", () => {
    expect(stepTo([], startOf(0), 1)).toBeUndefined();
  });
});

describe("a chart of the grid", () => {
  it("is grey from a break of the stream until the server has answered", async () => {
    const root = await show(GridPage);
    const isGrey = (): boolean => root.querySelector(".cell-canvas.stale") !== null;
    expect(isGrey()).toBe(false);
    sync.value = reduce(sync.value, { kind: "resync", epoch: "g1" });
    await settle();
    expect(isGrey()).toBe(true);
  });

  it("is grey while the server is away, and not while a stream is opened for the first time", async () => {
    const root = await show(GridPage);
    const isGrey = async (change: Partial<Link>): Promise<boolean> => {
      link.value = { ...INITIAL_LINK, ...change };
      await settle();
      return root.querySelector(".cell-canvas.stale") !== null;
    };
    expect(await isGrey({ phase: "connecting", failures: 0 })).toBe(false);
    for (const phase of ["waiting", "connecting"] as const) expect(await isGrey({ phase, failures: 1 })).toBe(true);
    expect(await isGrey({ phase: "polling", failures: 3 })).toBe(false);
    expect(await isGrey({ phase: "offline" })).toBe(true);
    expect(await isGrey({ phase: "open" })).toBe(false);
  });
});

describe("a chart that could not be loaded", () => {
  it("says why, instead of that it is loading", async () => {
    sync.value = INITIAL_SYNC;
    prefs.value = { ...prefs.value, watched: [AAPL, "MSFT" as Subject] };
    problems.value = { "MSFT@1m": "The store is busy." };
    const root = await show(GridPage);
    expect([...root.querySelectorAll(".cell-empty")].map(({ textContent }) => textContent)).toEqual(["Loading", "The store is busy."]);
    problems.value = {};
  });
});

describe("the crosshair of the grid", () => {
  const cell = (): Element => document.querySelector(".cell-chart") ?? document.body;

  it("tells of its candle once, though the candle goes on changing", async () => {
    now.value = ms(startOf(6) + 1_000);
    const root = await show(GridPage);
    (cell() as HTMLElement).focus();
    press(cell(), "ArrowLeft");
    await settle();
    const said = (): string => root.querySelector("[role=status]")?.textContent ?? "";
    const before = said();
    expect(before).toContain("1 article");
    sync.value = reduce(sync.value, { kind: "updates", updates: [{ key: seriesKey(AAPL, "1m"), bucket: bucketOf(6, { rev: 2, count: 2 }), origin: null }] });
    await settle();
    expect(said()).toBe(before);
    press(cell(), "ArrowLeft");
    await settle();
    expect(said()).not.toBe(before);
  });

  it("stops at the candle after a gap", async () => {
    await show(GridPage);
    hovered.value = startOf(3);
    await settle();
    press(cell(), "ArrowRight");
    expect(hovered.value).toBe(startOf(5));
  });

  it("opens no candle where there is none", async () => {
    await show(GridPage);
    hovered.value = startOf(3);
    await settle();
    press(cell(), "Enter");
    expect(route.value.page).toBe("grid");
  });

  it("ends when the focus leaves its chart", async () => {
    await show(GridPage);
    const chart = cell() as HTMLElement;
    chart.focus();
    press(chart, "ArrowLeft");
    expect(hovered.value).toBe(startOf(6));
    chart.blur();
    expect(hovered.value).toBeNull();
  });

  it("ends with its chart: the next page's legend must not name its candle", async () => {
    await show(GridPage);
    press(cell(), "ArrowLeft");
    expect(hovered.value).toBe(startOf(6));
    hide();
    expect(hovered.value).toBeNull();
  });
});
