import { numberOf, type Raw, raw, textOf } from "./raw.ts";
import { type Ms, ms, parseIso } from "./units.ts";
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
  readonly behind: Ms | null;
  readonly error: string | null;
}

export interface WatermarkRow {
  readonly shard: string;
  readonly at: Ms | null;
  readonly idle: boolean;
}

export interface StatusAnswer {
  readonly sources: readonly SourceRow[];
  /** In the order of the flow; names unknown to this page are shown as they come. */
  readonly counts: readonly (readonly [string, number])[];
  readonly lag: Ms | null;
  /** The handlers of the line, where this process runs them itself; empty elsewhere. */
  readonly stages: readonly StageRow[];
  readonly watermarks: readonly WatermarkRow[];
  readonly demo: boolean;
}

type Json = Raw<Record<string, unknown>>;
const asRecord = (value: unknown): Json => raw<Record<string, unknown>>(value);
const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const asText = (value: unknown): string | null => textOf(value) || null;

const COUNT_ORDER = ["articles", "received", "counted", "duplicates", "too_late", "quarantined"];

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
  const behind = numberOf(row["behind_ms"]);
  return {
    name: asText(row["name"]) ?? "unnamed",
    state: asText(row["state"]) ?? "unknown",
    behind: behind === null ? null : ms(behind),
    error: asText(row["error"]),
  };
}

function parseWatermark(value: unknown, index: number): WatermarkRow {
  if (typeof value === "string") return { shard: String(index), at: parseIso(value), idle: false };
  const row = asRecord(value);
  const shard = asText(row["shard"]) ?? asText(row["shard_id"]) ?? String(index);
  return { shard, at: parseIso(row["watermark"] ?? row["at"] ?? row["time"]), idle: row["idle"] === true };
}

export function parseStatus(wire: unknown): StatusAnswer {
  const data = raw<Status & { readonly stages: unknown }>(wire);
  const counts = Object.entries(asRecord(data.counts)).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  const rank = (name: string): number => (COUNT_ORDER.indexOf(name) + 100) % 100;
  const lag = numberOf(data.lag_ms);
  return {
    sources: asList(data.sources).map(parseSource),
    counts: counts.sort(([a], [b]) => rank(a) - rank(b)),
    lag: lag === null ? null : ms(lag),
    stages: asList(data.stages).map(parseStage),
    watermarks: asList(data.watermarks).map(parseWatermark),
    demo: data.demo === true,
  };
}
