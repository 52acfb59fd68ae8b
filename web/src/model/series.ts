import { type Bucket, isNewer } from "./bucket.ts";
import type { Ms } from "./units.ts";

/** More windows than any answer of the server holds; the oldest go first so that a page left open stays bounded. */
export const MAX_BUCKETS = 5_000;

export interface Applied {
  readonly buckets: readonly Bucket[];
  /** The index of the first bucket that differs from before; null when nothing changed. */
  readonly changedFrom: number | null;
}

/** The index of the first bucket whose start is not before `start`. */
export function lowerBound(buckets: readonly Bucket[], start: Ms): number {
  let low = 0;
  let high = buckets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const bucket = buckets[middle];
    if (bucket !== undefined && bucket.start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bucket of the window that starts then, if there is one: gaps are gaps. */
export function bucketStarting(buckets: readonly Bucket[], start: Ms): Bucket | null {
  const bucket = buckets[lowerBound(buckets, start)];
  return bucket !== undefined && bucket.start === start ? bucket : null;
}

/**
 * The newest candle whose window has begun; news may be stamped some minutes ahead. Where none has, by a clock that is
 * wrong, the newest of all.
 */
export const newestBegun = (buckets: readonly Bucket[], serverNow: Ms): Bucket | undefined =>
  buckets.findLast(({ start }) => start <= serverNow) ?? buckets.at(-1);

/**
 * Merges full-state buckets into an ascending series. Every bucket replaces the stored one only if it
 * is newer, so duplicates, replays and any order of arrival end in the same series.
 */
export function applyBuckets(buckets: readonly Bucket[], incoming: readonly Bucket[]): Applied {
  let next: Bucket[] | null = null;
  let changedFrom: number | null = null;
  for (const bucket of incoming) {
    const current: readonly Bucket[] = next ?? buckets;
    const index = lowerBound(current, bucket.start);
    const stored = current[index];
    const exists = stored !== undefined && stored.start === bucket.start;
    if (exists && !isNewer(bucket, stored)) continue;
    next ??= buckets.slice();
    if (exists) next[index] = bucket;
    else next.splice(index, 0, bucket);
    changedFrom = changedFrom === null ? index : Math.min(changedFrom, index);
  }
  if (next === null) return { buckets, changedFrom: null };
  if (next.length > MAX_BUCKETS) return { buckets: next.slice(next.length - MAX_BUCKETS), changedFrom: 0 };
  return { buckets: next, changedFrom };
}
