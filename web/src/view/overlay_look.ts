import { closeMove, type Pair, verdictOf } from "../model/overlay.ts";
import type { Bucket } from "../model/bucket.ts";
import { decimalText } from "../model/share.ts";
import { e4ToPolarity } from "../model/units.ts";
import type { ChartLook } from "./chart.ts";
import { bodyWidth, type Frame, type Mark, paintFlags, type PaintOptions, paintSelection, toneOf } from "./painters.ts";

/**
 * Two generations of one series: the earlier one as an outline on the left of each place, the later one filled on the
 * right; where both say the same there is one grey candle. The pane below shows how far each close moved.
 */
const EQUAL_ALPHA = 0.55;

interface Half {
  readonly x: number;
  readonly width: number;
  /** The colour inside an outline; null fills the body. */
  readonly inside: string | null;
  readonly colour: string;
}

function paintHalf(frame: Frame, bucket: Bucket, { x, width, inside, colour }: Half): void {
  const { context, pixelRatio } = frame;
  const [high, low, open, close] = [bucket.high, bucket.low, bucket.open, bucket.close].map((value) => frame.y(e4ToPolarity(value)));
  if (high === undefined || low === undefined || open === undefined || close === undefined) return;
  const thin = Math.max(1, Math.floor(pixelRatio.x));
  const left = Math.round(x - width / 2);
  const height = Math.max(Math.round(3 * pixelRatio.y), Math.round(Math.abs(open - close)));
  const top = Math.round((open + close - height) / 2);
  context.fillStyle = colour;
  context.fillRect(Math.round(x - thin / 2), Math.round(high), thin, Math.max(1, Math.round(low - high)));
  if (inside === null || width < 4) {
    context.fillRect(left, top, width, height);
    return;
  }
  context.fillStyle = inside;
  context.fillRect(left, top, width, height);
  context.strokeStyle = colour;
  context.lineWidth = thin;
  context.strokeRect(left + thin / 2, top + thin / 2, width - thin, height - thin);
}

function paintPairs(frame: Frame, marks: readonly Mark[], options: PaintOptions): void {
  const { theme } = options;
  const step = frame.barSpacing * frame.pixelRatio.x;
  const half = Math.max(1, Math.floor(step * 0.36));
  for (const mark of marks) {
    if (mark.bucket.start === options.selectedStart) paintSelection(frame, mark, theme);
    const { pair } = mark;
    if (pair === undefined) continue;
    if (verdictOf(pair) === "equal") {
      frame.context.globalAlpha = EQUAL_ALPHA;
      paintHalf(frame, mark.bucket, { x: mark.x, width: bodyWidth(frame, 0.5), inside: null, colour: theme.muted });
      frame.context.globalAlpha = 1;
      continue;
    }
    const { before, after } = pair;
    if (before !== null) paintHalf(frame, before, { x: mark.x - step * 0.21, width: half, inside: theme.background, colour: theme.muted });
    if (after !== null) paintHalf(frame, after, { x: mark.x + step * 0.21, width: half, inside: null, colour: theme[toneOf(after)] });
  }
  paintFlags(frame, options, true);
}

/** One bar per place that has both candles: up when the later generation's close is higher. */
function paintMoves(frame: Frame, marks: readonly Mark[], options: PaintOptions): void {
  const { context, pixelRatio } = frame;
  const { theme } = options;
  const width = bodyWidth(frame, 0.66);
  const zero = Math.round(frame.y(0));
  context.fillStyle = theme.zero;
  context.fillRect(0, zero, frame.width, Math.max(1, Math.floor(pixelRatio.y)));
  for (const mark of marks) {
    if (mark.bucket.start === options.selectedStart) paintSelection(frame, mark, theme);
    const move = mark.pair === undefined ? null : closeMove(mark.pair);
    if (move === null || move === 0) continue;
    const y = Math.round(frame.y(move / 10_000));
    context.fillStyle = move > 0 ? theme.positive : theme.negative;
    context.fillRect(Math.round(mark.x - width / 2), Math.min(y, zero), width, Math.max(1, Math.abs(y - zero)));
  }
  paintFlags(frame, options, false);
}

const both = (bucket: Bucket, pair?: Pair): readonly Bucket[] =>
  pair === undefined ? [bucket] : [pair.before, pair.after].filter((found) => found !== null);

export const OVERLAY: ChartLook = {
  upper: paintPairs,
  lower: paintMoves,
  barWidth: 22,
  upperValues: (bucket, pair) => {
    const shown = both(bucket, pair);
    const values = [...shown.map(({ high }) => high), ...shown.map(({ low }) => low), bucket.close];
    // The library reads the last value as the one the crosshair sticks to.
    return [Math.max(...values), Math.min(...values), bucket.close].map((value) => e4ToPolarity(value as Bucket["close"]));
  },
  lowerValues: (_, pair) => {
    const move = pair === undefined ? 0 : (closeMove(pair) ?? 0) / 10_000;
    return [-Math.abs(move), Math.abs(move), move];
  },
  lowerText: (value) => (Math.abs(value) < 0.005 ? "0" : decimalText(value, 1)),
};
