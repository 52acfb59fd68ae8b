import type { Bucket } from "./bucket.ts";
import { type Slot, toSlots } from "./slots.ts";
import type { Ms } from "./units.ts";

/** One window as two generations have it; null where one of them has no candle. */
export interface Pair {
  readonly before: Bucket | null;
  readonly after: Bucket | null;
  /** True where the live one has counted on since the other was built, which is no difference between the two. */
  readonly isNewer?: boolean;
}

export type PairVerdict = "equal" | "changed" | "only before" | "only after" | "newer";

const sameContent = (a: Bucket, b: Bucket): boolean =>
  a.open === b.open && a.high === b.high && a.low === b.low && a.close === b.close && a.sum === b.sum &&
  a.count === b.count && a.positive === b.positive && a.negative === b.negative;

export function verdictOf({ before, after, isNewer = false }: Pair): PairVerdict {
  if (isNewer) return "newer";
  if (before === null) return "only after";
  if (after === null) return "only before";
  return sameContent(before, after) ? "equal" : "changed";
}

/** How far the close moved, in ten-thousandths; null unless both have the candle. */
export const closeMove = ({ before, after }: Pair): number | null =>
  before === null || after === null ? null : after.close - before.close;

/** Lays two series on one time axis; a place holds the later generation's candle, and both as its pair. */
export function toPairs(before: readonly Bucket[], after: readonly Bucket[], slotMs: Ms, live: "before" | "after"): Slot[] {
  const built = live === "before" ? "after" : "before";
  const lastBuilt = { before, after }[built].at(-1)?.start ?? Infinity;
  const pairs = new Map<Ms, Pair>();
  for (const bucket of before) pairs.set(bucket.start, { before: bucket, after: null });
  for (const bucket of after) pairs.set(bucket.start, { before: pairs.get(bucket.start)?.before ?? null, after: bucket });
  for (const [start, pair] of pairs) {
    const isNewer = start >= lastBuilt && (pair[live]?.count ?? 0) > (pair[built]?.count ?? 0);
    if (isNewer) pairs.set(start, { ...pair, isNewer });
  }
  const front = [...pairs.values()].map((pair) => pair.after ?? pair.before).filter((found) => found !== null);
  front.sort((a, b) => a.start - b.start);
  return toSlots(front, slotMs).map((slot) => {
    const pair = pairs.get(slot.start);
    return pair === undefined ? slot : { ...slot, pair };
  });
}

/** How many places have which verdict, for the sentence under the chart. */
export function countVerdicts(slots: readonly Slot[]): Record<PairVerdict, number> {
  const counts = { equal: 0, changed: 0, "only before": 0, "only after": 0, newer: 0 };
  for (const { pair } of slots) if (pair !== undefined) counts[verdictOf(pair)] += 1;
  return counts;
}
