import { numberOf, raw } from "./raw.ts";
import { type E4, type Ms, parseIso, polarityToE4 } from "./units.ts";
import type { LabelCounts, Bucket as WireBucket } from "./wire.ts";

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

export const LABELS = ["positive", "neutral", "negative"] as const;
export type Label = (typeof LABELS)[number];

/** Null for what is no label: nobody said what the article is, and that is not the same as neutral. */
export const labelOf = (value: unknown): Label | null => LABELS.find((label) => label === value) ?? null;

/** Fewer articles than this say little; such candles are drawn faded. */
export const LOW_EVIDENCE_BELOW = 3;

export const isLowEvidence = (bucket: Bucket): boolean => bucket.count < LOW_EVIDENCE_BELOW;

/** A window is live from its start to its end by the server's clock, whatever was written when it was stored. */
export const isLive = ({ start, end }: Bucket, serverNow: Ms): boolean => start <= serverNow && serverNow < end;

/**
 * Which of two states of the same window is newer. `rev` grows with the content; the partial flag is
 * bookkeeping that may change without a new revision, and a window never becomes partial again.
 */
export function isNewer(incoming: Bucket, stored: Bucket): boolean {
  if (incoming.rev !== stored.rev) return incoming.rev > stored.rev;
  return stored.isPartial && !incoming.isPartial;
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string").sort() : [];
}

/** Parses the wire form once, at the edge. Null means the message is not a bucket and is dropped by the caller. */
export function parseBucket(value: unknown): Bucket | null {
  const wire = raw<WireBucket>(value);
  const start = parseIso(wire.start);
  const end = parseIso(wire.end);
  const [open, high, low, close] = [wire.open, wire.high, wire.low, wire.close].map(numberOf);
  const count = numberOf(wire.count);
  const rev = numberOf(wire.rev);
  if (start === null || end === null || end <= start || count === null || rev === null) return null;
  if (open == null || high == null || low == null || close == null) return null;
  const labels = raw<LabelCounts>(wire.label_counts);
  return {
    start,
    end,
    open: polarityToE4(open),
    high: polarityToE4(high),
    low: polarityToE4(low),
    close: polarityToE4(close),
    sum: polarityToE4(numberOf(wire.sum) ?? 0),
    count,
    positive: numberOf(labels.positive) ?? 0,
    neutral: numberOf(labels.neutral) ?? 0,
    negative: numberOf(labels.negative) ?? 0,
    sources: strings(wire.sources),
    modelVersions: strings(wire.model_versions),
    rev,
    isPartial: wire.is_partial === true,
    lastUpdated: parseIso(wire.last_updated),
  };
}
