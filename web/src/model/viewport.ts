import type { Slot } from "./slots.ts";
import { type Ms, ms } from "./units.ts";

/** The span of time a reader is looking at. `follow` keeps its right edge on the newest candle. */
export interface Viewport {
  readonly from: Ms;
  readonly to: Ms;
  readonly follow: boolean;
}

export const MIN_BARS = 24;
/** The room a candle gets when the reader has not chosen a span of time yet, in pixels. */
export const COMFORTABLE_BAR = 10;
export const MAX_BARS = 400;

/**
 * How many bars to show at another resolution so that the reader keeps looking at the same span of
 * time, as far as that is readable: at least MIN_BARS, at most MAX_BARS. Before a reader has chosen a
 * span, a short series is given the whole width instead of a corner of it. `same`: it is the series of before, whose
 * view stays as the reader made it.
 */
export function barsFor(view: Viewport | null, slotMs: Ms, widthPx: number, places: number, barWidth: number, same?: boolean): number {
  if (view === null) return Math.max(MIN_BARS, Math.min(places, Math.round(widthPx / barWidth)));
  const bars = (view.to - view.from) / slotMs;
  return same ? bars : Math.min(MAX_BARS, Math.max(MIN_BARS, Math.round(bars)));
}

/** The instant that stays under the right edge when the resolution changes; null follows the newest candle. */
export const anchorOf = (view: Viewport | null): Ms | null => (view === null || view.follow ? null : ms(view.to));

/** An instant as a place on the axis, with a fraction; times outside the series are extended evenly. */
export function indexOfTime(at: Ms, slots: readonly Slot[], slotMs: Ms): number {
  const first = slots[0]?.start ?? at;
  const last = slots.at(-1)?.start ?? at;
  if (at >= last) return slots.length - 1 + (at - last) / slotMs;
  if (at <= first) return (at - first) / slotMs;
  const after = slots.findIndex((slot) => slot.start > at);
  const before = slots[after - 1]?.start ?? first;
  return after - 1 + (at - before) / slotMs;
}

export function timeOfIndex(index: number, slots: readonly Slot[], slotMs: Ms): Ms {
  const clamped = Math.min(slots.length - 1, Math.max(0, Math.floor(index)));
  return ms((slots[clamped]?.start ?? 0) + (index - clamped) * slotMs);
}
