// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { toSlots } from "../src/model/slots.ts";
import { e4, type Ms } from "../src/model/units.ts";
import { CandleChart, type ChartState } from "../src/view/chart.ts";
import { followHands } from "../src/view/hands.ts";
import { bucketOf } from "./fake_server.ts";

interface Range {
  readonly from: number;
  readonly to: number;
}

/** The library's time scale: it shows 100 places, and a range that is set only with the next frame. */
const scale = vi.hoisted(() => ({
  shown: null as Range | null,
  wanted: null as Range | null,
  frame(): void {
    this.shown = this.wanted ?? this.shown;
    this.wanted = null;
  },
}));

/** Where the dotted line of the newest price has stood. */
const prices = vi.hoisted(() => [] as number[]);
type Hand = (param: Record<string, unknown>) => void;
/** What the library tells of the reader's hand. */
const hand = vi.hoisted(() => ({ move: (_: Record<string, unknown>): void => undefined, click: (_: Record<string, unknown>): void => undefined }));

vi.mock("lightweight-charts", () => {
  const nothing = (): void => undefined;
  const priceLine = (given: { price: number }) => ({ applyOptions: priceLine, at: prices.push(given.price) });
  const series = () => ({ applyOptions: nothing, setData: nothing, update: nothing, priceScale: () => ({ applyOptions: nothing }), createPriceLine: priceLine });
  const timeScale = {
    width: () => 1_000,
    options: () => ({ barSpacing: 10 }),
    getVisibleLogicalRange: () => scale.shown,
    setVisibleLogicalRange: (range: Range) => (scale.wanted = range),
    logicalToCoordinate: () => 0,
    subscribeVisibleLogicalRangeChange: nothing,
  };
  const heard = { subscribeCrosshairMove: (move: Hand) => (hand.move = move), subscribeClick: (click: Hand) => (hand.click = click) };
  const chart = { timeScale: () => timeScale, addCustomSeries: series, panes: () => [], ...heard, applyOptions: nothing, remove: nothing };
  return { createChartEx: () => chart, customSeriesDefaultOptions: {}, LineStyle: { Solid: 0, Dotted: 1 } };
});

const startOf = (index: number): Ms => bucketOf(index).start;
const placesOf = (first: number, count: number) => toSlots([...Array(count).keys()].map((i) => bucketOf(first + i)), 60_000 as Ms);
const places = placesOf(0, 1_000);
const state = (selectedStart: Ms | null, slots = places): ChartState => ({
  name: "AAPL@1m", slots, slotMs: 60_000 as Ms, selectedStart, liveStart: null, scale: "full", zone: "utc", flags: [],
});
const inSight = (index: number): boolean => {
  scale.frame();
  return scale.shown !== null && scale.shown.from < index && index < scale.shown.to;
};

let chart: CandleChart;
let host: HTMLElement;
let told: (Ms | null)[] = [];
beforeEach(() => {
  scale.shown = scale.wanted = null;
  told = [];
  host = document.createElement("div");
  chart = new CandleChart(host, { hover: (at) => told.push(at), select: (at) => told.push(at) });
  followHands(chart);
});

describe("the reader's hand", () => {
  it("chooses a candle, and nothing between two", () => {
    const at = startOf(3);
    hand.click({ time: at, seriesData: new Map() });
    expect(told).toEqual([]);
    hand.click({ time: at, seriesData: new Map([["candles", {}]]) });
    expect(told).toEqual([at]);
  });

  it("tells of no move that the page made itself", () => {
    const param = { time: startOf(3), point: { x: 1, y: 1 } };
    hand.move(param);
    expect(told).toEqual([]);
    hand.move({ ...param, sourceEvent: {} });
    expect(told).toEqual([startOf(3)]);
  });

  it("is not at the chart any more when a touch went on to scroll the page", () => {
    vi.useFakeTimers();
    chart.show(state(null));
    scale.frame();
    const add = vi.spyOn(window, "addEventListener");
    for (let press = 0; press < 5; press++) host.dispatchEvent(Object.assign(new Event("pointerdown"), { button: 0 }));
    expect(new Set(add.mock.calls.map(([, listener]) => listener)).size, "presses leave no listener each").toBe(2);
    add.mockRestore();
    window.dispatchEvent(new Event("pointercancel"));
    scale.shown = { from: 300, to: 400 };
    window.dispatchEvent(new Event("pointerup"));
    vi.advanceTimersByTime(1_000);
    chart.show(state(null, placesOf(0, 990)));
    expect(inSight(989), "it follows the newest as before").toBe(true);
    vi.useRealTimers();
  });

  it.each([
    ["that was dragged beyond the chart's edge", () => { host.dispatchEvent(Object.assign(new Event("pointerdown"), { button: 0 })); window.dispatchEvent(new Event("pointerup")); }],
    ["of a flick that rolls on", () => host.dispatchEvent(new Event("touchend"))],
  ])("leaves the view %s where it came to rest, whatever late news changes", (_what, release) => {
    vi.useFakeTimers();
    chart.show(state(null));
    scale.frame();
    scale.shown = { from: 300, to: 400 };
    release();
    vi.advanceTimersByTime(160);
    scale.shown = { from: 258, to: 358 };
    vi.advanceTimersByTime(1_000);
    chart.show(state(null, placesOf(0, 990)));
    scale.frame();
    expect([scale.shown?.from, scale.shown?.to].map((place) => Math.round(place ?? 0))).toEqual([258, 358]);
    vi.useRealTimers();
  });
});

describe("the selected candle", () => {
  it("is in sight when the page opens on it, with the usual zoom", () => {
    chart.show(state(startOf(10)));
    expect(inSight(10)).toBe(true);
    expect((scale.shown?.to ?? 0) - (scale.shown?.from ?? 0)).toBe(100);
  });

  it("comes into sight when another one is chosen, by whatever way", () => {
    chart.show(state(null));
    expect(inSight(999)).toBe(true);
    chart.show(state(startOf(10)));
    expect(inSight(10)).toBe(true);
    chart.show(state(startOf(900)));
    expect(inSight(900)).toBe(true);
  });

  it("comes into sight when its candle comes", () => {
    chart.show(state(startOf(10), placesOf(500, 500)));
    expect(inSight(499)).toBe(true);
    chart.show(state(startOf(10)));
    expect(inSight(10)).toBe(true);
  });

  it("leaves the view alone where it is in sight, and once the reader has looked elsewhere", () => {
    chart.show(state(null));
    scale.frame();
    const before = scale.shown;
    chart.show(state(startOf(950)));
    expect(scale.wanted).toBeNull();
    chart.show(state(startOf(10)));
    scale.frame();
    scale.shown = before;
    chart.show({ ...state(startOf(10)), liveStart: startOf(999) });
    expect(scale.wanted).toBeNull();
  });

  it("lets go of the view with the newest candle", () => {
    chart.show(state(startOf(10)));
    scale.frame();
    chart.show(state(null));
    chart.goLive();
    expect(inSight(999)).toBe(true);
    chart.show(state(null, placesOf(0, 990)));
    expect(inSight(989)).toBe(true);
  });
});

it.each([[12], [600]])("leaves a view of %i places as wide as the reader made it, whatever late news changes", (width) => {
  vi.useFakeTimers();
  chart.show(state(null));
  scale.frame();
  // The reader's wheel: 48 px a place is the widest the library allows, 1.5 px the narrowest.
  scale.shown = { from: 300, to: 300 + width };
  host.dispatchEvent(new Event("wheel"));
  vi.advanceTimersByTime(1_000);
  // A late article revises one old candle.
  const revised = places.map((slot, i) => (i === 5 ? { ...slot, bucket: bucketOf(5, { rev: 2 }) } : slot));
  chart.show(state(null, revised));
  scale.frame();
  vi.useRealTimers();
  expect([scale.shown?.from, scale.shown?.to]).toEqual([300, 300 + width]);
});

it("draws the dotted line at the newest candle that has begun", () => {
  const slots = toSlots([bucketOf(0, { close: e4(4_000) }), bucketOf(1, { close: e4(-9_000) })], 60_000 as Ms);
  chart.show({ ...state(null, slots), liveStart: startOf(0) });
  expect(prices.at(-1)).toBe(0.4);
  chart.show({ ...state(null, slots), liveStart: null });
  expect(prices.at(-1)).toBe(-0.9);
});
