import { parseSeries, type SeriesAnswer } from "../model/api_types.ts";
import type { Bucket } from "../model/bucket.ts";
import { raw } from "../model/raw.ts";
import { type SeriesKey, splitKey } from "../model/subject.ts";
import { formatIso, type Ms } from "../model/units.ts";
import type { Series } from "../model/wire.ts";
import { ApiError, getJson } from "./api.ts";

/** With the newest ones of a page that was just opened they are fewer than a series may hold. */
export const MOST_IN_RANGE = 3_000;

export interface Range {
  readonly start: Ms;
  readonly end: Ms;
  /** Null for the live one. */
  readonly generation: string | null;
}

/** The candles of a series that start in `[start, end)`, page after page; null when there are too many. Throws `ApiError`. */
export async function fetchRange(key: SeriesKey, { start, end, generation }: Range, signal: AbortSignal): Promise<SeriesAnswer | null> {
  const { subject, resolution } = splitKey(key);
  const query = new URLSearchParams({ resolution, start: formatIso(start), end: formatIso(end) });
  if (generation !== null) query.set("generation", generation);
  const buckets: Bucket[] = [];
  for (;;) {
    const body = await getJson(`/timeseries/${encodeURIComponent(subject)}?${query}`, signal);
    const page = parseSeries(body);
    if (page === null) throw new ApiError(200, "The server answered in a form this page does not know.");
    buckets.push(...page.buckets);
    if (buckets.length > MOST_IN_RANGE) return null;
    const { next_cursor: next } = raw<Series>(body);
    if (typeof next !== "string" || page.buckets.length === 0) return { ...page, buckets };
    query.set("cursor", next);
  }
}
