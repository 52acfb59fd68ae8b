import type { Bucket } from "./bucket.ts";
import { splitKey, type SeriesKey } from "./subject.ts";
import { e4ToPolarity, formatIso, type Ms } from "./units.ts";

/** A series as files and commands; numbers and times are written as the API writes them. */
type Cell = string | number | boolean;

const COLUMNS: readonly (readonly [string, (bucket: Bucket, serverNow: Ms) => Cell])[] = [
  ["start", (bucket) => formatIso(bucket.start)],
  ["end", (bucket) => formatIso(bucket.end)],
  ["open", (bucket) => e4ToPolarity(bucket.open)],
  ["high", (bucket) => e4ToPolarity(bucket.high)],
  ["low", (bucket) => e4ToPolarity(bucket.low)],
  ["close", (bucket) => e4ToPolarity(bucket.close)],
  ["sum", (bucket) => e4ToPolarity(bucket.sum)],
  ["count", (bucket) => bucket.count],
  ["positive", (bucket) => bucket.positive],
  ["neutral", (bucket) => bucket.neutral],
  ["negative", (bucket) => bucket.negative],
  ["rev", (bucket) => bucket.rev],
  // A window ends without a word, so what was said when it was written is of the past.
  ["is_partial", (bucket, serverNow) => bucket.end > serverNow],
];

/** RFC 4180, with a header and a final line break. */
export function toCsv(buckets: readonly Bucket[], serverNow: Ms): string {
  const cells = (bucket: Bucket): string[] => COLUMNS.map(([, value]) => String(value(bucket, serverNow)));
  const rows = [COLUMNS.map(([name]) => name), ...buckets.map(cells)];
  return rows.map((row) => `${row.join(",")}\r\n`).join("");
}

export function toJsonLines(key: SeriesKey, buckets: readonly Bucket[], serverNow: Ms): string {
  const { subject, resolution } = splitKey(key);
  return buckets
    .map((bucket) => Object.fromEntries(COLUMNS.map(([name, value]) => [name, value(bucket, serverNow)])))
    .map((row) => `${JSON.stringify({ ticker: subject, resolution, ...row })}\n`)
    .join("");
}

/** How many candles from a start on the server answers with, at the finest resolution and at the others. */
const MOST_FINEST = 1_440;
const MOST = 1_000;

/**
 * The call that answers with the same candles, for a shell; with the newest of them where they are too many for one
 * answer. The subject's alphabet needs no further quoting.
 */
export function toCurl(origin: string, key: SeriesKey, buckets: readonly Bucket[]): string {
  const { subject, resolution } = splitKey(key);
  const [first] = buckets.slice(resolution === "1m" ? -MOST_FINEST : -MOST);
  const from = first === undefined ? "" : `&start=${formatIso(first.start)}`;
  return `curl '${origin}/api/v2/timeseries/${encodeURIComponent(subject)}?resolution=${resolution}${from}'`;
}

/** `AAPL-1m.csv`; a tag's colon is not allowed in file names everywhere. */
export function fileName(key: SeriesKey, extension: string): string {
  return `${key.replace("@", "-").replace(":", "-")}.${extension}`;
}
