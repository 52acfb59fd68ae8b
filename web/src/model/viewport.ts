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
 * time, as far as that is readable: at least MIN_BARS, at most MAX_BARS.
 */
export function barsFor(view: Viewport | null, slotMs: Ms, widthPx: number): number {
  if (view === null) return Math.max(MIN_BARS, Math.round(widthPx / COMFORTABLE_BAR));
  const bars = Math.round((view.to - view.from) / slotMs);
  return Math.min(MAX_BARS, Math.max(MIN_BARS, bars));
}

/** The instant that stays under the right edge when the resolution changes; null follows the newest candle. */
export const anchorOf = (view: Viewport | null): Ms | null => (view === null || view.follow ? null : ms(view.to));
