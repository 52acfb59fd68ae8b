import { type Bucket, parseBucket } from "./bucket.ts";
import { numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { isResolution, type ResolutionId } from "./resolution.ts";
import { parseSubject, type Subject } from "./subject.ts";
import { type Ms, parseIso } from "./units.ts";
import type { AuditRecord, CompareReport, Run as WireRun, RunDetail as WireDetail, Runs as WireRuns } from "./wire.ts";

/** Replay runs as the page shows them. */
export interface Run {
  readonly id: string;
  readonly generation: string;
  readonly state: string;
  readonly model: string | null;
  readonly createdAt: Ms | null;
  readonly unitsDone: number;
  readonly unitsTotal: number;
  readonly error: string | null;
}

export interface RunsAnswer {
  readonly live: string;
  readonly runs: readonly Run[];
}

export interface Done {
  readonly at: Ms | null;
  readonly action: string;
  readonly reason: string;
}

/** One row of a report: how many buckets have which verdict, and how far closes moved on average. */
export interface ReportRow {
  readonly name: string;
  readonly equal: number;
  readonly changed: number;
  readonly onlyBefore: number;
  readonly onlyAfter: number;
  readonly newer: number;
  readonly meanMove: number;
}

export interface Report {
  readonly before: string;
  readonly after: string;
  readonly at: Ms | null;
  readonly complete: boolean;
  readonly total: ReportRow;
  readonly byResolution: readonly ReportRow[];
  readonly bySubject: readonly ReportRow[];
  readonly flips: { readonly events: number; readonly share: number; readonly exact: boolean; readonly matrix: ReadonlyMap<string, number> };
  readonly stability: number;
  /** What stands between this comparison and a promote; empty when nothing does. */
  readonly breaches: readonly string[];
}

export interface Difference {
  readonly subject: Subject;
  readonly resolution: ResolutionId;
  readonly size: number;
  readonly before: Bucket;
  readonly after: Bucket;
  readonly titles: readonly string[];
}

export interface RunDetail extends Run {
  readonly live: string;
  /** The generation that was live before this one was promoted. */
  readonly previous: string | null;
  readonly finishedAt: Ms | null;
  readonly seconds: number | null;
  readonly eventsPerSecond: number | null;
  readonly digest: string | null;
  readonly counts: readonly (readonly [string, number])[];
  readonly report: Report | null;
  readonly audit: readonly Done[];
}

type Json = Raw<Record<string, unknown>>;
const asRecord = (value: unknown): Json => raw<Record<string, unknown>>(value);
const numbersOf = (value: unknown): [string, number][] =>
  Object.entries(asRecord(value)).filter((entry): entry is [string, number] => typeof entry[1] === "number");

function parseRun(wire: Raw<WireRun>): Run {
  return {
    id: textOf(wire.id),
    generation: textOf(wire.generation),
    state: textOf(wire.state) || "unknown",
    model: textOf(wire.model) || null,
    createdAt: parseIso(wire.created_at),
    unitsDone: numberOf(wire.units_done) ?? 0,
    unitsTotal: numberOf(wire.units_total) ?? 0,
    error: textOf(wire.error) || null,
  };
}

export function parseRuns(value: unknown): RunsAnswer {
  const wire = raw<WireRuns>(value);
  return { live: textOf(wire.live), runs: rawList<WireRun>(wire.runs).map(parseRun) };
}

function parseRow(name: string, value: unknown): ReportRow {
  const row = asRecord(value);
  const count = (field: string): number => numberOf(row[field]) ?? 0;
  return {
    name,
    equal: count("equal"),
    changed: count("changed"),
    onlyBefore: count("only_a"),
    onlyAfter: count("only_b"),
    newer: count("newer"),
    meanMove: count("mean_abs_close_change"),
  };
}

const rowsOf = (value: unknown): ReportRow[] => Object.entries(asRecord(value)).map(([name, row]) => parseRow(name, row));

/** The report as `compare` makes it, or the part of it that is kept; null when there is none. */
export function parseReport(value: unknown): Report | null {
  const wire = raw<CompareReport>(value);
  if (typeof wire.a !== "string" || typeof wire.b !== "string") return null;
  const flips = asRecord(wire.label_flips);
  return {
    before: wire.a,
    after: wire.b,
    at: parseIso(wire.at),
    complete: wire.complete === true,
    total: { ...parseRow("all", wire.counts), meanMove: numberOf(wire.mean_abs_close_change) ?? 0 },
    byResolution: rowsOf(wire.by_resolution),
    bySubject: rowsOf(wire.by_subject),
    flips: {
      events: numberOf(flips["events"]) ?? 0,
      share: numberOf(flips["share"]) ?? 0,
      exact: flips["exact"] === true,
      matrix: new Map(numbersOf(flips["matrix"])),
    },
    stability: numberOf(asRecord(wire.psi)["value"]) ?? 0,
    breaches: Array.isArray(wire.breaches) ? wire.breaches.map(textOf) : [],
  };
}

/** The buckets that differ most; of the admin's report each comes with the headlines behind it. */
export function parseWorst(value: unknown): Difference[] {
  return rawList<Record<string, unknown>>(asRecord(value)["worst"]).flatMap((row) => {
    const subject = parseSubject(textOf(row["ticker"]));
    const { resolution } = row;
    const before = parseBucket(row["a"]);
    const after = parseBucket(row["b"]);
    if (subject === null || !isResolution(resolution) || before === null || after === null) return [];
    const titles = rawList<Record<string, unknown>>(row["articles"]).map((article) => textOf(article["title"]));
    return [{ subject, resolution, size: numberOf(row["difference"]) ?? 0, before, after, titles }];
  });
}

export function parseRunDetail(value: unknown): RunDetail {
  const wire = raw<WireDetail & Record<string, unknown>>(value);
  return {
    ...parseRun(wire as Raw<WireRun>),
    live: textOf(wire.live),
    previous: textOf(wire["previous"]) || null,
    finishedAt: parseIso(wire.finished_at),
    seconds: numberOf(wire.seconds),
    eventsPerSecond: numberOf(wire["events_per_second"]),
    digest: textOf(wire.digest) || null,
    counts: numbersOf(wire["counts"]),
    report: parseReport(wire.compare),
    audit: rawList<AuditRecord>(wire.audit).map((row) => ({
      at: parseIso(row.at),
      action: textOf(row.action),
      reason: textOf(row.reason),
    })),
  };
}

/** Which two generations a run's page compares: its own with the live one, or a live run with what it replaced. */
export function generationsOf(run: RunDetail): { readonly before: string; readonly after: string } | null {
  if (run.generation !== run.live) return { before: run.live, after: run.generation };
  return run.previous === null ? null : { before: run.previous, after: run.generation };
}

/** States a run can be promoted from, as the server has them. */
export const canPromote = (run: RunDetail): boolean => run.state === "completed" || run.state === "retired";
export const canRollBack = (run: RunDetail): boolean => run.generation === run.live && run.previous !== null;
