import { type Bucket, parseBucket } from "./bucket.ts";
import { isResolution } from "./resolution.ts";
import { parseSubject, type SeriesKey, seriesKey, type Subject } from "./subject.ts";
import { type Ms, parseIso } from "./units.ts";

/** The answers of the REST API, parsed once at the edge. */
export interface SeriesAnswer {
  readonly key: SeriesKey;
  /** Ascending, with the partial bucket (if any) at the end. */
  readonly buckets: readonly Bucket[];
  readonly generation: string;
  readonly cursor: string | null;
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

type Json = Record<string, unknown>;
const asRecord = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const asList = (value: unknown): Json[] => (Array.isArray(value) ? value.map(asRecord) : []);
const asText = (value: unknown): string => (typeof value === "string" ? value : "");
const asNumber = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);

/** Null when the answer is not a series: the caller reports it as a server of another version. */
export function parseSeries(wire: unknown): SeriesAnswer | null {
  const data = asRecord(wire);
  const subject = parseSubject(asText(data["ticker"]));
  const resolution = data["resolution"];
  if (subject === null || !isResolution(resolution) || !Array.isArray(data["buckets"])) return null;
  const wires: unknown[] = [...data["buckets"], data["partial_bucket"]];
  const cursor = data["stream_cursor"];
  return {
    key: seriesKey(subject, resolution),
    buckets: wires.map(parseBucket).filter((bucket) => bucket !== null),
    generation: String(data["generation"] ?? ""),
    cursor: typeof cursor === "string" || typeof cursor === "number" ? String(cursor) : null,
  };
}

export function parseSeriesList(wire: unknown): SeriesAnswer[] {
  return asList(asRecord(wire)["series"]).map(parseSeries).filter((found) => found !== null);
}

export function parseSubjects(wire: unknown): SubjectsAnswer {
  const data = asRecord(wire);
  const subjects = asList(data["subjects"]).flatMap((row): SubjectRow[] => {
    const subject = parseSubject(asText(row["subject"]));
    if (subject === null) return [];
    return [
      {
        subject,
        name: asText(row["name"]) || subject,
        count24h: asNumber(row["count_24h"]),
        lastEventAt: parseIso(row["last_event_at"]),
      },
    ];
  });
  const note = asText(data["demo_note"]) || "Recorded news, replayed as if it were arriving now";
  return { subjects, demoNote: data["demo"] === true ? note : null };
}
