import { msOf, numberOf, type Raw, raw, textOf } from "./raw.ts";
import { type Ms, parseIso } from "./units.ts";
import type { Status } from "./wire.ts";

/** What `/ops` shows: the health of every stage, parsed with care because an operator reads it when things are broken. */
export interface SourceRow {
  readonly name: string;
  readonly state: string;
  readonly lastSuccessAt: Ms | null;
  readonly error: string | null;
  readonly articlesPerHour: number | null;
}

export interface StageRow {
  readonly name: string;
  readonly state: string;
  /** The age of the oldest record that waits: what the event sources call the iterator age. */
  readonly behind: Ms | null;
  /** Batches that failed and were tried again. */
  readonly failed: number;
  /** Records that went to the failure destination after all tries. */
  readonly discarded: number;
  readonly error: string | null;
}

export interface WatermarkRow {
  readonly shard: string;
  readonly at: Ms | null;
  readonly newestEventAt: Ms | null;
}

export interface StatusAnswer {
  readonly sources: readonly SourceRow[];
  /** In the order of the flow; names unknown to this page are shown as they come. */
  readonly counts: readonly (readonly [string, number])[];
  readonly newestIngestAt: Ms | null;
  readonly lag: Ms | null;
  /** The handlers of the line, where this process runs them itself; empty elsewhere. */
  readonly stages: readonly StageRow[];
  readonly watermarks: readonly WatermarkRow[];
  readonly effort: Effort;
  readonly demo: boolean;
}

/** What the articles since the start of the process have cost in writes; null before the first one. */
export interface Effort {
  readonly bucketWritesPerArticle: number | null;
  readonly usdPerThousandArticles: number | null;
  readonly revised: number;
  readonly repairs: number;
}

/** USD for a million DynamoDB write units, as `ops/cost.py` has it; a test compares. */
export const USD_PER_MILLION_WRITES = 0.625;

type Json = Raw<Record<string, unknown>>;
const asRecord = (value: unknown): Json => raw<Record<string, unknown>>(value);
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const asText = (value: unknown): string | null => textOf(value) || null;

const COUNT_ORDER = ["articles", "counted", "duplicates", "too_late", "quarantined"];

function parseSource(value: unknown): SourceRow {
  const row = asRecord(value);
  return {
    name: asText(row["name"]) ?? "unnamed",
    state: asText(row["state"]) ?? "unknown",
    lastSuccessAt: parseIso(row["last_success_at"]),
    error: asText(row["error"]),
    articlesPerHour: numberOf(row["articles_per_hour"]),
  };
}

function parseStage(value: unknown): StageRow {
  const row = asRecord(value);
  return {
    name: asText(row["name"]) ?? "unnamed",
    state: asText(row["state"]) ?? "unknown",
    behind: msOf(row["behind_ms"]),
    failed: sumOf(row["shards"], "failures"),
    discarded: sumOf(row["shards"], "discarded"),
    error: asText(row["error"]),
  };
}

const sumOf = (rows: unknown, field: string): number =>
  asList(rows).reduce<number>((sum, row) => sum + (numberOf(asRecord(row)[field]) ?? 0), 0);

function parseEffort(value: unknown): Effort {
  const metrics = asRecord(value);
  const of = (name: string): number => numberOf(metrics[name]) ?? 0;
  const articles = of("ArticlesScored");
  const writes = articles === 0 ? null : of("BucketsWritten") / articles;
  return {
    bucketWritesPerArticle: writes,
    usdPerThousandArticles: writes === null ? null : (writes * 1_000 * USD_PER_MILLION_WRITES) / 1_000_000,
    revised: of("BucketsRevised"),
    repairs: of("FinalizerRepairs"),
  };
}

function parseWatermark(value: unknown, index: number): WatermarkRow {
  const row = asRecord(value);
  return { shard: asText(row["shard"]) ?? String(index), at: parseIso(row["at"]), newestEventAt: parseIso(row["newest_event_at"]) };
}

export function parseStatus(wire: unknown): StatusAnswer {
  const data = raw<Status & { readonly stages: unknown; readonly metrics: unknown }>(wire);
  const counts = Object.entries(asRecord(data.counts)).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  const rank = (name: string): number => (COUNT_ORDER.indexOf(name) + 100) % 100;
  return {
    sources: asList(data.sources).map(parseSource),
    counts: counts.sort(([a], [b]) => rank(a) - rank(b)),
    newestIngestAt: parseIso(data.newest_ingest_at),
    lag: msOf(data.lag_ms),
    stages: asList(data.stages).map(parseStage),
    watermarks: asList(data.watermarks).map(parseWatermark),
    effort: parseEffort(data.metrics),
    demo: data.demo === true,
  };
}
