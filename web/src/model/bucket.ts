import { type E4, type Ms, parseIso, polarityToE4 } from "./units.ts";

/** One candle: the aggregate of one subject, one resolution, one window `[start, end)`. */
export interface Bucket {
  readonly start: Ms;
  readonly end: Ms;
  readonly open: E4;
  readonly high: E4;
  readonly low: E4;
  readonly close: E4;
  readonly sum: E4;
  readonly count: number;
  readonly positive: number;
  readonly neutral: number;
  readonly negative: number;
  readonly sources: readonly string[];
  readonly modelVersions: readonly string[];
  readonly rev: number;
  readonly isPartial: boolean;
  readonly lastUpdated: Ms | null;
}

export type Label = "positive" | "neutral" | "negative";

/** Fewer articles than this say little; such candles are drawn faded. */
export const LOW_EVIDENCE_BELOW = 3;

export const isLowEvidence = (bucket: Bucket): boolean => bucket.count < LOW_EVIDENCE_BELOW;

/** A window is live until it has ended by the server's clock, whatever was written when it was stored. */
export const isLive = (bucket: Bucket, serverNow: Ms): boolean => serverNow < bucket.end;

/**
 * Which of two states of the same window is newer. `rev` grows with the content; the partial flag is
 * bookkeeping that may change without a new revision, and a window never becomes partial again.
 */
export function isNewer(incoming: Bucket, stored: Bucket): boolean {
  if (incoming.rev !== stored.rev) return incoming.rev > stored.rev;
  return stored.isPartial && !incoming.isPartial;
}

type Json = Record<string, unknown>;

const isRecord = (value: unknown): value is Json => typeof value === "object" && value !== null;

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string").sort() : [];
}

function labelCounts(value: unknown): [number, number, number] {
  const counts = isRecord(value) ? value : {};
  return [finite(counts["positive"]) ?? 0, finite(counts["neutral"]) ?? 0, finite(counts["negative"]) ?? 0];
}

/** Parses the wire form once, at the edge. Null means the message is not a bucket and is dropped by the caller. */
export function parseBucket(wire: unknown): Bucket | null {
  if (!isRecord(wire)) return null;
  const start = parseIso(wire["start"]);
  const end = parseIso(wire["end"]);
  const numbers = ["open", "high", "low", "close", "count", "rev"].map((name) => finite(wire[name]));
  if (start === null || end === null || end <= start) return null;
  const [open, high, low, close, count, rev] = numbers;
  if (open == null || high == null || low == null || close == null || count == null || rev == null) return null;
  const [positive, neutral, negative] = labelCounts(wire["label_counts"]);
  return {
    start,
    end,
    open: polarityToE4(open),
    high: polarityToE4(high),
    low: polarityToE4(low),
    close: polarityToE4(close),
    sum: polarityToE4(finite(wire["sum"]) ?? 0),
    count,
    positive,
    neutral,
    negative,
    sources: strings(wire["sources"]),
    modelVersions: strings(wire["model_versions"]),
    rev,
    isPartial: wire["is_partial"] === true,
    lastUpdated: parseIso(wire["last_updated"]),
  };
}
