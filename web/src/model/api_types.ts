import { type Bucket, parseBucket } from "./bucket.ts";
import { numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { isResolution } from "./resolution.ts";
import { parseSubject, type SeriesKey, seriesKey, type Subject } from "./subject.ts";
import { type Ms, parseIso } from "./units.ts";
import type { Series, SeriesList, Subjects, SubjectRow as WireRow } from "./wire.ts";

/** The answers of the REST API, parsed once at the edge. */
export interface SeriesAnswer {
  readonly key: SeriesKey;
  /** Ascending, with the partial bucket (if any) at the end. */
  readonly buckets: readonly Bucket[];
  readonly generation: string;
  readonly cursor: string | null;
  /** Of the newest candles: true when nothing lies before the first of them. */
  readonly whole: boolean;
}

export interface SubjectRow {
  readonly subject: Subject;
  readonly name: string;
  readonly count24h: number;
  readonly lastEventAt: Ms | null;
}

export interface SubjectsAnswer {
  readonly subjects: readonly SubjectRow[];
  /** What to tell the reader when the news is recorded; null when it is live. */
  readonly demoNote: string | null;
}

/** Null when the answer is not a series: the caller reports it as a server of another version. */
export function parseSeries(value: unknown): SeriesAnswer | null {
  const wire = raw<Series>(value);
  const subject = parseSubject(textOf(wire.ticker));
  const { resolution, stream_cursor: cursor, next_cursor: next } = wire;
  if (subject === null || !isResolution(resolution) || !Array.isArray(wire.buckets)) return null;
  const wires: unknown[] = [...wire.buckets, wire.partial_bucket];
  return {
    key: seriesKey(subject, resolution),
    buckets: wires.map(parseBucket).filter((bucket) => bucket !== null),
    generation: textOf(wire.generation),
    cursor: typeof cursor === "string" ? cursor : null,
    whole: !next,
  };
}

export function parseSeriesList(value: unknown): SeriesAnswer[] {
  return rawList<Series>(raw<SeriesList>(value).series).map(parseSeries).filter((found) => found !== null);
}

function parseRow(row: Raw<WireRow>): SubjectRow[] {
  const subject = parseSubject(textOf(row.subject));
  if (subject === null) return [];
  const lastEventAt = parseIso(row.last_event_at);
  return [{ subject, name: textOf(row.name) || subject, count24h: numberOf(row.count_24h) ?? 0, lastEventAt }];
}

export function parseSubjects(value: unknown): SubjectsAnswer {
  const wire = raw<Subjects>(value);
  const note = textOf(wire.demo_note) || "Recorded news, replayed as if it were arriving now";
  return { subjects: rawList<WireRow>(wire.subjects).flatMap(parseRow), demoNote: wire.demo === true ? note : null };
}
