import type { Bucket } from "./bucket.ts";
import type { Pair } from "./overlay.ts";
import { addMs, type Ms } from "./units.ts";

/** A place on the time axis: a candle, or the empty window between two candles. */
export interface Slot {
  readonly start: Ms;
  readonly bucket: Bucket | null;
  /** Where two generations are compared: the window as each of them has it. */
  readonly pair?: Pair;
}

/** The axis never holds more places than this; older candles stay reachable at a coarser resolution. */
export const MAX_SLOTS = 12_000;

/**
 * Lays candles on an even time axis so that a gap is as wide as it lasted. Empty places follow from
 * the end of the candle before them, step by step: no window start is ever computed from the clock.
 */
export function toSlots(buckets: readonly Bucket[], slotMs: Ms): Slot[] {
  const reversed: Slot[] = [];
  for (let i = buckets.length - 1; i >= 0 && reversed.length < MAX_SLOTS; i--) {
    const bucket = buckets[i];
    const before = buckets[i - 1];
    if (bucket === undefined) continue;
    reversed.push({ start: bucket.start, bucket });
    if (before === undefined) continue;
    const empty: Slot[] = [];
    const room = MAX_SLOTS - reversed.length;
    const missing = Math.round((bucket.start - before.end) / slotMs);
    if (missing > room) break;
    for (let start = before.end; start < bucket.start; start = addMs(start, slotMs)) empty.push({ start, bucket: null });
    reversed.push(...empty.reverse());
  }
  return reversed.reverse();
}

/**
 * What has to be drawn anew when only the newest place changed or places were added after it; null
 * when anything earlier changed, because a chart takes such a change only as a whole series.
 */
export function changedTail(before: readonly Slot[], after: readonly Slot[]): readonly Slot[] | null {
  const last = before.length - 1;
  let same = 0;
  while (same < before.length && before[same]?.start === after[same]?.start && before[same]?.bucket === after[same]?.bucket && before[same]?.pair?.before === after[same]?.pair?.before) {
    same += 1;
  }
  const gone = same < last || (same === last && after[last]?.start !== before[last]?.start);
  return gone || last < 0 ? null : after.slice(same);
}
