import { type Bucket, isLowEvidence, type Label } from "../model/bucket.ts";
import { isRevised } from "../model/candle_text.ts";
import type { Pair } from "../model/overlay.ts";
import { e4ToPolarity, type Ms } from "../model/units.ts";
import type { ChartTheme } from "./theme.ts";

/**
 * Draws candles and counts on a plain canvas. Colour means the same everywhere on the page: what the
 * news says. Direction is told by the shape: the open ticks out to the left, the close to the right.
 */
export interface Frame {
  readonly context: CanvasRenderingContext2D;
  readonly pixelRatio: { readonly x: number; readonly y: number };
  readonly height: number;
  readonly width: number;
  readonly barSpacing: number;
  /** From a value on the axis to bitmap pixels. */
  readonly y: (value: number) => number;
  /** From an instant to bitmap pixels; null while there is nothing to measure against. */
  readonly x: (at: Ms) => number | null;
}

export interface Mark {
  /** The centre of the bar in bitmap pixels. */
  readonly x: number;
  readonly bucket: Bucket;
  readonly pair?: Pair | undefined;
}

/** An instant worth a line through the chart, with a word for it. */
export interface Flag {
  readonly at: Ms;
  readonly text: string;
}

export interface PaintOptions {
  readonly theme: ChartTheme;
  readonly selectedStart: Ms | null;
  readonly liveStart: Ms | null;
  readonly flags: readonly Flag[];
}

const LOW_EVIDENCE_ALPHA = 0.55;
/** Scores nearer to zero than this read as neutral, in ten-thousandths. */
const NEUTRAL_BAND = 500;

export function toneOf(bucket: Bucket): Label {
  if (bucket.close > NEUTRAL_BAND) return "positive";
  return bucket.close < -NEUTRAL_BAND ? "negative" : "neutral";
}

export function bodyWidth(frame: Frame, share: number): number {
  const width = Math.max(1, Math.floor(frame.barSpacing * frame.pixelRatio.x * share));
  // An odd width keeps the wick, one pixel wide, exactly in the middle.
  return width > 2 && width % 2 === 0 ? width - 1 : width;
}

/** A band between two lines: where the system chooses the colours, the band has that of the page. */
export function paintSelection({ context, pixelRatio, barSpacing, height }: Frame, mark: Mark, theme: ChartTheme): void {
  const width = Math.max(3, Math.round(barSpacing * pixelRatio.x));
  const left = Math.round(mark.x - width / 2);
  const line = Math.max(1, Math.floor(pixelRatio.x));
  context.fillStyle = theme.accentSoft;
  context.fillRect(left, 0, width, height);
  context.fillStyle = theme.accent;
  for (const x of [left, left + width - line]) context.fillRect(x, 0, line, height);
}

function paintBody(frame: Frame, mark: Mark, colour: string, hollow: string | null): void {
  const { context, pixelRatio } = frame;
  const { bucket } = mark;
  const width = bodyWidth(frame, 0.66);
  const left = Math.round(mark.x - width / 2);
  const openY = frame.y(e4ToPolarity(bucket.open));
  const closeY = frame.y(e4ToPolarity(bucket.close));
  const least = Math.max(2, Math.round(3 * pixelRatio.y));
  const height = Math.max(least, Math.round(Math.abs(openY - closeY)));
  const top = Math.round((openY + closeY - height) / 2);
  if (hollow === null || width < 4) {
    context.fillStyle = colour;
    context.fillRect(left, top, width, height);
    return;
  }
  const stroke = Math.max(1, Math.round(1.5 * pixelRatio.x));
  const tall = Math.max(height, Math.round(6 * pixelRatio.y));
  const from = Math.round((openY + closeY - tall) / 2);
  context.fillStyle = hollow;
  context.fillRect(left, from, width, tall);
  context.strokeStyle = colour;
  context.lineWidth = stroke;
  context.strokeRect(left + stroke / 2, from + stroke / 2, width - stroke, tall - stroke);
}

function paintTicks(frame: Frame, mark: Mark, colour: string): void {
  const { context, pixelRatio, barSpacing } = frame;
  if (barSpacing < 7 || mark.bucket.open === mark.bucket.close) return;
  const half = Math.floor((barSpacing * pixelRatio.x) / 2) - 1;
  const thick = Math.max(1, Math.round(pixelRatio.y));
  const x = Math.round(mark.x);
  context.fillStyle = colour;
  context.fillRect(x - half, Math.round(frame.y(e4ToPolarity(mark.bucket.open)) - thick / 2), half, thick);
  context.fillRect(x, Math.round(frame.y(e4ToPolarity(mark.bucket.close)) - thick / 2), half, thick);
}

function paintRevision(frame: Frame, mark: Mark, colour: string): void {
  const { context, pixelRatio } = frame;
  const size = Math.max(2, Math.round(2.5 * pixelRatio.x));
  const x = Math.round(mark.x);
  const y = Math.max(size, frame.y(e4ToPolarity(mark.bucket.high)) - 3 * size);
  context.fillStyle = colour;
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.fill();
}

/** Another generation went live: what was read before this line was read from another history. */
export function paintFlags(frame: Frame, { theme, flags }: PaintOptions, named: boolean): void {
  const { context, pixelRatio } = frame;
  const dash = 3 * pixelRatio.y;
  for (const { at, text } of flags) {
    const x = frame.x(at);
    if (x === null || x < 0 || x > frame.width) continue;
    context.fillStyle = theme.accent;
    for (let y = 0; y < frame.height; y += 2 * dash) context.fillRect(Math.round(x), y, Math.max(1, Math.floor(pixelRatio.x)), dash);
    if (!named) continue;
    context.font = `${Math.round(10 * pixelRatio.y)}px ${theme.fontFamily}`;
    const width = context.measureText(text).width;
    const left = x + width + 8 * pixelRatio.x > frame.width ? x - width - 4 * pixelRatio.x : x + 4 * pixelRatio.x;
    context.textBaseline = "top";
    context.fillText(text, left, 2 * pixelRatio.y);
  }
}

export function paintCandles(frame: Frame, marks: readonly Mark[], options: PaintOptions): void {
  const { context, pixelRatio } = frame;
  const { theme } = options;
  for (const mark of marks) {
    const { bucket } = mark;
    if (bucket.start === options.selectedStart) paintSelection(frame, mark, theme);
    const colour = theme[toneOf(bucket)];
    const live = bucket.start === options.liveStart;
    context.globalAlpha = isLowEvidence(bucket) && !live ? LOW_EVIDENCE_ALPHA : 1;
    const wick = Math.max(1, Math.floor(pixelRatio.x));
    const highY = Math.round(frame.y(e4ToPolarity(bucket.high)));
    const lowY = Math.round(frame.y(e4ToPolarity(bucket.low)));
    context.fillStyle = colour;
    context.fillRect(Math.round(mark.x - wick / 2), highY, wick, Math.max(1, lowY - highY));
    paintTicks(frame, mark, colour);
    paintBody(frame, mark, colour, live ? theme.background : null);
    context.globalAlpha = 1;
    if (isRevised(bucket) && frame.barSpacing >= 4) paintRevision(frame, mark, theme.accent);
  }
  paintFlags(frame, options, true);
}

/** Stacks negative, neutral and positive from the bottom, always in this order, with a hairline between. */
export function paintCounts(frame: Frame, marks: readonly Mark[], options: PaintOptions): void {
  const { context, pixelRatio } = frame;
  const { theme } = options;
  const width = bodyWidth(frame, 0.66);
  const hairline = frame.barSpacing >= 5 ? Math.max(1, Math.floor(pixelRatio.y)) : 0;
  for (const mark of marks) {
    const { bucket } = mark;
    if (bucket.start === options.selectedStart) paintSelection(frame, mark, theme);
    const left = Math.round(mark.x - width / 2);
    let below = 0;
    for (const tone of ["negative", "neutral", "positive"] as const) {
      if (bucket[tone] === 0) continue;
      const top = Math.round(frame.y(below + bucket[tone]));
      const bottom = Math.round(frame.y(below));
      context.fillStyle = theme[tone];
      context.fillRect(left, top, width, Math.max(1, bottom - top - (below > 0 ? hairline : 0)));
      below += bucket[tone];
    }
  }
  paintFlags(frame, options, false);
}
