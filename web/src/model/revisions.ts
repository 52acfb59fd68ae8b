import { isRevised } from "./candle_text.ts";
import { bucketStarting } from "./series.ts";
import type { BucketUpdate } from "./stream_event.ts";
import type { SeriesKey } from "./subject.ts";
import { seriesOf, type SyncState } from "./sync.ts";
import type { Ms } from "./units.ts";

/** A final candle that changed before the reader's eyes. */
export interface Revision {
  readonly key: SeriesKey;
  readonly start: Ms;
  readonly rev: number;
  readonly added: number;
}

const MAX_REMEMBERED = 200;

/** Which of the updates revise a candle that was already on the page, and by how many articles. */
export function findRevisions(before: SyncState, updates: readonly BucketUpdate[]): Revision[] {
  return updates.flatMap(({ key, bucket }) => {
    const stored = bucketStarting(seriesOf(before, key).buckets, bucket.start);
    if (stored === null || bucket.rev <= stored.rev || !isRevised(bucket)) return [];
    return [{ key, start: bucket.start, rev: bucket.rev, added: bucket.count - stored.count }];
  });
}

/** Adds up what is known about one candle; the newest stay, the list stays short. */
export function rememberRevisions(known: readonly Revision[], found: readonly Revision[]): readonly Revision[] {
  if (found.length === 0) return known;
  const next = [...known];
  for (const revision of found) {
    const at = next.findIndex((row) => row.key === revision.key && row.start === revision.start);
    const earlier = at < 0 ? undefined : next.splice(at, 1)[0];
    next.push(earlier === undefined ? revision : { ...revision, added: revision.added + earlier.added });
  }
  return next.slice(-MAX_REMEMBERED);
}
