import type { Bucket } from "../model/bucket.ts";
import { lowerBound } from "../model/series.ts";
import type { Ms } from "../model/units.ts";
import { go } from "./navigation.ts";
import { newest, route, selectedSeries } from "./state.ts";

/** Steps along the candles of a chart; a part of its own, because nobody takes one before the candles are there. */
export type Step = number | "first" | "last";

export const STEPS: Readonly<Record<string, Step>> = {
  ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: "first", End: "last",
};

/** The candle so many steps away; gaps are stepped over. Null stands after the newest candle. */
export function stepTo(buckets: readonly Bucket[], from: Ms | null, step: Step): Bucket | undefined {
  const last = buckets.length - 1;
  if (step === "first") return buckets[0];
  if (step === "last") return buckets[last];
  const at = from === null ? buckets.length : lowerBound(buckets, from);
  // From within a gap the candle after it is the first step.
  const wanted = at + step - (step > 0 && buckets[at]?.start !== from ? 1 : 0);
  return buckets[Math.min(last, Math.max(0, wanted))];
}

/** Moves the selection along the candles of the selected series. */
export function stepCandle(step: Step): void {
  const from = route.value.at ?? newest.value?.start ?? null;
  const bucket = stepTo(selectedSeries.value.buckets, from, step);
  if (bucket !== undefined) go({ at: bucket.start }, "replace");
}
