import { type Bucket, isNewer } from "./bucket.ts";
import type { Ms } from "./units.ts";

/** More windows than any answer of the server holds; the oldest go first so that a page left open stays bounded. */
export const MAX_BUCKETS = 5_000;

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
  return bucket?.start === start ? bucket : null;
}

/**
 * The newest candle whose window has begun; news may be stamped some minutes ahead. Where none has, by a clock that is
 * wrong, the newest of all.
 */
export const newestBegun = (buckets: readonly Bucket[], serverNow: Ms): Bucket | undefined =>
  buckets.findLast(({ start }) => start <= serverNow) ?? buckets.at(-1);

/**
 * Merges full-state buckets into an ascending series. Every bucket replaces the stored one only if it
 * is newer, so duplicates, replays and any order of arrival end in the same series; the very same when nothing is.
 */
export function applyBuckets(buckets: readonly Bucket[], incoming: readonly Bucket[]): readonly Bucket[] {
  let next: Bucket[] | null = null;
  for (const bucket of incoming) {
    const current: readonly Bucket[] = next ?? buckets;
    const index = lowerBound(current, bucket.start);
    const stored = current[index];
    const known = stored?.start === bucket.start ? stored : null;
    if (known !== null && !isNewer(bucket, known)) continue;
    next ??= buckets.slice();
    next.splice(index, known === null ? 0 : 1, bucket);
  }
  return next?.slice(-MAX_BUCKETS) ?? buckets;
}
