import {
  createChartEx,
  customSeriesDefaultOptions,
  type CustomData,
  type CustomSeriesOptions,
  type ICustomSeriesPaneView,
  type IChartApiBase,
  type IHorzScaleBehavior,
  type IPriceLine,
  type ISeriesApi,
  LineStyle,
  type Logical,
  type LogicalRange,
  type PaneRendererCustomData,
  type WhitespaceData,
} from "lightweight-charts";
import type { Bucket } from "../model/bucket.ts";
import { countText, scoreText, type Zone } from "../model/format.ts";
import { changedTail, type Slot } from "../model/slots.ts";
import { e4, e4ToPolarity, type Ms } from "../model/units.ts";
import type { Pair } from "../model/overlay.ts";
import { anchorOf, barsFor, COMFORTABLE_BAR, indexOfTime, timeOfIndex, type Viewport } from "../model/viewport.ts";
import { type Flag, type Frame, type Mark, paintCandles, paintCounts, type PaintOptions, toneOf } from "./painters.ts";
import { type ChartTheme, readTheme } from "./theme.ts";
import { TimeAxis } from "./time_axis.ts";

/** This file is the only one that knows the chart library; everything else speaks of slots and viewports. */

type Axis = IHorzScaleBehavior<Ms>;
interface CandleData extends CustomData<Ms> {
  bucket: Bucket;
  pair?: Pair;
}
type Item = CandleData | WhitespaceData<Ms>;
/** A counter is all that goes through the options: the library merges them, and a merge cannot set anything to null. */
type Options = CustomSeriesOptions & { painted: number };
type Painter = (frame: Frame, marks: readonly Mark[], options: PaintOptions) => void;

/** How the two panes are drawn, and which values must be in sight. */
export interface ChartLook {
  readonly upper: Painter;
  readonly lower: Painter;
  /** The room of one place before the reader has zoomed, in pixels. */
  readonly barWidth: number;
  upperValues(bucket: Bucket, pair?: Pair): number[];
  lowerValues(bucket: Bucket, pair?: Pair): number[];
  lowerText(value: number): string;
}

const CANDLES: ChartLook = {
  upper: paintCandles,
  lower: paintCounts,
  barWidth: COMFORTABLE_BAR,
  upperValues: (bucket) => [bucket.high, bucket.low, bucket.close].map(e4ToPolarity),
  lowerValues: (bucket) => [0, bucket.positive + bucket.neutral + bucket.negative],
  lowerText: (value) => countText(Math.round(value)),
};

/** Room for the live candle's right neighbours, in bars. */
const RIGHT_OFFSET = 4;

class PaintedSeries implements ICustomSeriesPaneView<Ms, CandleData, Options> {
  #data: PaneRendererCustomData<Ms, CandleData> | null = null;
  paint: PaintOptions;
  readonly #painter: Painter;
  readonly #values: ChartLook["upperValues"];
  readonly #x: (at: Ms) => number | null;

  constructor(painter: Painter, values: ChartLook["upperValues"], paint: PaintOptions, x: (at: Ms) => number | null) {
    this.#painter = painter;
    this.#values = values;
    this.paint = paint;
    this.#x = x;
  }

  defaultOptions(): Options {
    return { ...customSeriesDefaultOptions, lastValueVisible: false, priceLineVisible: false, painted: 0 };
  }

  priceValueBuilder(item: CandleData): number[] {
    return this.#values(item.bucket, item.pair);
  }

  isWhitespace(item: CandleData | WhitespaceData<Ms>): item is WhitespaceData<Ms> {
    return !("bucket" in item);
  }

  update(data: PaneRendererCustomData<Ms, CandleData>): void {
    this.#data = data;
  }

  renderer(): ReturnType<ICustomSeriesPaneView<Ms, CandleData, Options>["renderer"]> {
    return {
      draw: (target, toCoordinate) =>
        target.useBitmapCoordinateSpace((scope) => {
          const data = this.#data;
          if (data === null || data.visibleRange === null) return;
          const { horizontalPixelRatio: x, verticalPixelRatio: y } = scope;
          const frame: Frame = {
            context: scope.context,
            pixelRatio: { x, y },
            height: scope.bitmapSize.height,
            width: scope.bitmapSize.width,
            barSpacing: data.barSpacing,
            y: (value) => (toCoordinate(value) ?? 0) * y,
            x: (at) => {
              const found = this.#x(at);
              return found === null ? null : found * x;
            },
          };
          const visible = data.bars.slice(data.visibleRange.from, data.visibleRange.to);
          const marks = visible.map((bar): Mark => ({ x: bar.x * x, bucket: bar.originalData.bucket, pair: bar.originalData.pair }));
          this.#painter(frame, marks, this.paint);
        }),
    };
  }
}

export interface ChartEvents {
  /** The place under the crosshair; null when the pointer has left. */
  hover(start: Ms | null): void;
  select(start: Ms): void;
  /** Whether the newest candle is in sight. */
  following?(follow: boolean): void;
}

export interface ChartState {
  /** Names the series; another name means another series, and pending work for the old one is dropped. */
  readonly name: string;
  readonly slots: readonly Slot[];
  readonly slotMs: Ms;
  readonly selectedStart: Ms | null;
  readonly liveStart: Ms | null;
  readonly scale: "full" | "fit";
  readonly zone: Zone;
  readonly flags: readonly Flag[];
}

const toItem = ({ start: time, bucket, pair }: Slot): Item => {
  return bucket === null ? { time } : pair === undefined ? { time, bucket } : { time, bucket, pair };
};

export class CandleChart {
  readonly #axis = new TimeAxis<ReturnType<Axis["options"]>>();
  readonly #chart: IChartApiBase<Ms>;
  readonly host: HTMLElement;
  readonly #candles: ISeriesApi<"Custom", Ms, Item, Options>;
  readonly #counts: ISeriesApi<"Custom", Ms, Item, Options>;
  readonly #painted: readonly [PaintedSeries, PaintedSeries];
  readonly #events: ChartEvents;
  readonly #look: ChartLook;
  readonly #zero: IPriceLine;
  #last: IPriceLine | null = null;
  #theme: ChartTheme;
  #state: ChartState | null = null;
  #view: Viewport | null = null;
  /** The selection that was brought into sight last. */
  #revealed: Ms | null = null;
  #paints = 0;

  constructor(host: HTMLElement, events: ChartEvents, look: ChartLook = CANDLES) {
    this.host = host;
    this.#events = events;
    this.#look = look;
    this.#theme = readTheme(host);
    this.#chart = createChartEx<Ms, Axis>(host, this.#axis as unknown as Axis, { autoSize: true, ...this.#chartOptions() });
    const paint: PaintOptions = { theme: this.#theme, selectedStart: null, liveStart: null, flags: [] };
    const place = (at: Ms): number | null => this.#placeOf(at);
    this.#painted = [
      new PaintedSeries(look.upper, look.upperValues, paint, place),
      new PaintedSeries(look.lower, look.lowerValues, paint, place),
    ];
    this.#candles = this.#chart.addCustomSeries(this.#painted[0], {}, 0) as never;
    this.#counts = this.#chart.addCustomSeries(this.#painted[1], {}, 1) as never;
    this.#counts.applyOptions({ priceFormat: { type: "custom", minMove: look === CANDLES ? 1 : 0.01, formatter: look.lowerText } });
    this.#counts.priceScale().applyOptions({ scaleMargins: { top: 0.12, bottom: 0 } });
    this.#candles.applyOptions({
      priceFormat: { type: "custom", minMove: 0.01, formatter: (value: number) => this.#axisScore(value) },
    });
    this.#zero = this.#candles.createPriceLine({
      price: 0,
      color: this.#theme.zero,
      lineWidth: 1,
      lineStyle: LineStyle.Solid,
      axisLabelVisible: false,
      title: "",
    });
    this.#chart.panes()[0]?.setStretchFactor(4);
    this.#chart.panes()[1]?.setStretchFactor(1);
    this.#listen();
  }

  /** The only way in: shows this state, keeping the reader's view when the series or the resolution changes. */
  show(next: ChartState): void {
    const before = this.#state;
    this.#state = next;
    const switched = before === null || before.name !== next.name;
    if (before === null || before.scale !== next.scale) this.#applyScale(next.scale);
    const rezoned = this.#axis.zone !== next.zone;
    if (rezoned) this.#applyZone(next.zone);
    const anew = switched || rezoned;
    const replaced = (anew || before.slots !== next.slots) && this.#applyData(anew ? null : before.slots, next.slots);
    this.#applyPaint(next);
    this.host.dataset["shown"] = next.slots.length > 0 ? next.name : "";
    // Places may have been put in before the ones in sight, which moves every place that follows.
    const range = replaced ? this.#applyView(!switched) : null;
    if (switched || next.selectedStart === null) this.#revealed = null;
    if (next.selectedStart !== this.#revealed) this.#reveal(next, range ?? this.#chart.timeScale().getVisibleLogicalRange());
  }

  /** Keeps what is in sight as the reader's own view, and tells where it begins. Only their hands change it (`hands.ts`). */
  keepInSight(): number | null {
    const range = this.#chart.timeScale().getVisibleLogicalRange();
    this.#keepView(range);
    return range && range.from;
  }

  goLive(): void {
    if (this.#view !== null) this.#view = { ...this.#view, follow: true };
    this.#applyView();
  }

  /** Shows the crosshair at a time, for charts that move in step; null takes it away. */
  point(at: Ms | null): void {
    const slot = at === null ? undefined : this.#state?.slots.find((candidate) => candidate.start === at);
    if (slot === undefined || slot.bucket === null) return this.#chart.clearCrosshairPosition();
    this.#chart.setCrosshairPosition(e4ToPolarity(slot.bucket.close), toItem(slot).time, this.#candles as never);
  }

  restyle(): void {
    this.#theme = readTheme(this.host);
    this.#chart.applyOptions(this.#chartOptions());
    this.#zero.applyOptions({ color: this.#theme.zero });
    if (this.#state !== null) this.#applyPaint(this.#state);
  }

  destroy(): void {
    this.#state = null;
    this.#chart.remove();
  }

  #axisScore(value: number): string {
    // The scale keeps a margin beyond one; a label there would name a score that cannot be.
    return Math.abs(value) > 1.0001 ? "" : scoreText(e4(Math.round(value * 10_000)));
  }

  #applyScale(scale: "full" | "fit"): void {
    const full = scale === "full";
    this.#candles.priceScale().applyOptions({ autoScale: true, scaleMargins: { top: 0.04, bottom: 0.04 } });
    this.#candles.applyOptions({
      autoscaleInfoProvider: full
        ? () => ({ priceRange: { minValue: -1, maxValue: 1 } })
        : (original: () => unknown) => original() as never,
    });
  }

  /** Another zone has its days elsewhere; only new places are weighed, so the old ones have to go first. */
  #applyZone(zone: Zone): void {
    this.#axis.zone = zone;
    this.#applyData(null, []);
  }

  /** True when the whole series was replaced. */
  #applyData(before: readonly Slot[] | null, slots: readonly Slot[]): boolean {
    const tail = before === null ? null : changedTail(before, slots);
    if (tail !== null) {
      for (const slot of tail) {
        this.#candles.update(toItem(slot));
        this.#counts.update(toItem(slot));
      }
      return false;
    }
    const items = slots.map(toItem);
    this.#candles.setData(items);
    this.#counts.setData(items);
    return true;
  }

  #applyPaint(state: ChartState): void {
    const { selectedStart, liveStart, flags } = state;
    const paint: PaintOptions = { theme: this.#theme, selectedStart, liveStart, flags };
    this.#paints += 1;
    for (const series of this.#painted) series.paint = paint;
    for (const series of [this.#candles, this.#counts]) series.applyOptions({ painted: this.#paints } as Partial<Options>);
    const newest = state.slots.findLast((slot) => slot.bucket !== null && slot.start <= (liveStart ?? slot.start))?.bucket ?? null;
    if (newest === null) {
      if (this.#last !== null) this.#candles.removePriceLine(this.#last);
      this.#last = null;
      return;
    }
    const options = {
      price: e4ToPolarity(newest.close),
      color: this.#theme[toneOf(newest)],
      lineWidth: 1 as const,
      lineStyle: LineStyle.Dotted,
      axisLabelVisible: true,
      axisLabelTextColor: this.#theme.background,
      title: "",
    };
    if (this.#last === null) this.#last = this.#candles.createPriceLine(options);
    else this.#last.applyOptions(options);
  }

  #applyView(same?: boolean): LogicalRange | null {
    const state = this.#state;
    if (state === null || state.slots.length === 0) return null;
    const width = this.#chart.timeScale().width() || this.host.clientWidth;
    const bars = barsFor(this.#view, state.slotMs, width, state.slots.length + RIGHT_OFFSET, this.#look.barWidth, same);
    const anchor = anchorOf(this.#view);
    const newest = state.slots.length - 1;
    const to = anchor === null ? newest + RIGHT_OFFSET : indexOfTime(anchor, state.slots, state.slotMs);
    return this.#turnTo(to - bars, bars);
  }

  /** The library shows the places with its next frame; until then it names those of before. */
  #turnTo(from: number, bars: number): LogicalRange {
    const range = { from, to: from + bars } as LogicalRange;
    this.#chart.timeScale().setVisibleLogicalRange(range);
    return range;
  }

  /** Brings the selected candle into sight without changing the zoom, once its place is there. */
  #reveal({ slots, selectedStart }: ChartState, range: LogicalRange | null): void {
    const index = slots.findIndex((slot) => slot.start === selectedStart);
    if (index < 0 || range === null) return;
    this.#revealed = selectedStart;
    const { from, to } = range;
    if (index > from + 1 && index < to - 1) return;
    const bars = to - from;
    this.#keepView(this.#turnTo(index - bars * (index <= from + 1 ? 0.2 : 0.8), bars));
  }

  /** An instant to pixels. The library knows whole places only; what lies between two is measured from the one before. */
  #placeOf(at: Ms): number | null {
    if (this.#state === null || this.#state.slots.length === 0) return null;
    const index = indexOfTime(at, this.#state.slots, this.#state.slotMs);
    const x = this.#chart.timeScale().logicalToCoordinate(Math.floor(index) as Logical);
    // A candle stands in the middle of its window, so the window began half a place before.
    return x === null ? null : x + (index - Math.floor(index) - 0.5) * this.#chart.timeScale().options().barSpacing;
  }

  #keepView(range: LogicalRange | null): void {
    const state = this.#state;
    if (state === null || range === null || state.slots.length === 0) return;
    const follow = range.to >= state.slots.length - 1;
    this.#view = { from: timeOfIndex(range.from, state.slots, state.slotMs), to: timeOfIndex(range.to, state.slots, state.slotMs), follow };
  }

  #listen(): void {
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && this.#state !== null) this.#events.following?.(range.to >= this.#state.slots.length - 1);
    });
    this.#chart.subscribeCrosshairMove((param) => {
      // Moves that this page made itself have no source event, and must not echo between charts.
      if (param.sourceEvent === undefined && param.point !== undefined) return;
      this.#events.hover(param.time ?? null);
    });
    this.#chart.subscribeClick((param) => {
      // Between two candles there is nothing to choose.
      if (param.time !== undefined && param.seriesData.size > 0) this.#events.select(param.time);
    });
    // The library lays its canvases out in a table; to a screen reader that table means nothing.
    this.host.querySelector("table")?.setAttribute("role", "presentation");
  }

  #chartOptions() {
    const theme = this.#theme;
    return {
      layout: {
        background: { color: theme.background },
        textColor: theme.muted,
        fontFamily: theme.fontFamily,
        fontSize: 11,
        panes: { separatorColor: theme.line, separatorHoverColor: theme.accentSoft, enableResize: true },
      },
      grid: { vertLines: { color: theme.grid }, horzLines: { color: theme.grid } },
      rightPriceScale: { borderColor: theme.line, minimumWidth: 56 },
      crosshair: {
        mode: 0,
        vertLine: { color: theme.muted, labelBackgroundColor: theme.muted },
        horzLine: { color: theme.muted, labelBackgroundColor: theme.muted },
      },
      handleScroll: { vertTouchDrag: false },
      timeScale: {
        borderColor: theme.line,
        rightOffset: RIGHT_OFFSET,
        minBarSpacing: 1.5,
        maxBarSpacing: 48,
      },
    };
  }
}
