import { type Role, rolesOf, webUrl } from "./article.ts";
import { type Bucket, type Label, labelOf, parseBucket } from "./bucket.ts";
import { type Raw, numberOf, raw, rawList, textOf } from "./raw.ts";
import { isResolution, type ResolutionId, slotMsOf } from "./resolution.ts";
import { parseSubject, type Subject } from "./subject.ts";
import { addMs, type E4, type Ms, ms, parseIso, polarityToE4 } from "./units.ts";
import type { FedCandle, FedSubject, Item, ItemCandles, ItemMetadata, Items } from "./wire.ts";

/** One scored article as the record pages show it. */
export interface ArticleRecord {
  readonly id: string;
  readonly title: string;
  readonly snippet: string;
  readonly publisher: string;
  readonly author: string;
  readonly source: string;
  readonly url: string | null;
  readonly publishedAt: Ms | null;
  readonly ingestedAt: Ms | null;
  readonly scoredAt: Ms | null;
  readonly label: Label | null;
  readonly confidence: number | null;
  readonly polarity: E4 | null;
  readonly model: string;
  readonly subjects: readonly Subject[];
  /** Who else told the story: article id and source. */
  readonly alsoTold: readonly { readonly id: string; readonly source: string }[];
  /** The answer as it came. */
  readonly json: unknown;
}

export interface RecordPage {
  readonly records: readonly ArticleRecord[];
  readonly nextCursor: string | null;
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(textOf).filter((text) => text !== "") : []);

/** Null for something without an id: it could not be opened. */
export function parseRecord(value: unknown): ArticleRecord | null {
  const wire = raw<Item>(value);
  const id = textOf(wire.source_id);
  if (id === "") return null;
  const metadata = raw<ItemMetadata>(wire.metadata);
  const source = textOf(wire.source_type);
  const polarity = numberOf(wire.polarity);
  const subjects = [...strings(wire.matched_tickers), ...strings(wire.matched_tags).map((tag) => `tag:${tag}`)];
  const told = rawList<Record<string, unknown>>(wire.sources).map((row) => ({ id: textOf(row["article_id"]), source: textOf(row["source"]) }));
  return {
    id,
    title: textOf(metadata.title),
    snippet: textOf(wire.text_snippet),
    publisher: textOf(metadata.source_name) || source,
    author: textOf(metadata.author),
    source,
    url: webUrl(wire.source_url),
    publishedAt: parseIso(metadata.published_at),
    ingestedAt: parseIso(wire.ingested_at),
    scoredAt: parseIso(wire.scored_at),
    label: labelOf(wire.sentiment),
    confidence: numberOf(wire.score),
    polarity: polarity === null ? null : polarityToE4(polarity),
    model: textOf(wire.model_version),
    subjects: subjects.map(parseSubject).filter((found) => found !== null),
    alsoTold: told.filter((row) => row.id !== id && row.source !== ""),
    json: value,
  };
}

export function parseRecordPage(value: unknown): RecordPage {
  const wire = raw<Items>(value);
  const rows: unknown[] = Array.isArray(wire.items) ? wire.items : [];
  return { records: rows.map(parseRecord).filter((found) => found !== null), nextCursor: textOf(wire.next_cursor) || null };
}

/** A page after the ones there are; what came twice (it was changed while the reader paged) is kept once. */
export function appendPage(before: readonly ArticleRecord[], page: RecordPage): readonly ArticleRecord[] {
  const known = new Set(before.map(({ id }) => id));
  return [...before, ...page.records.filter(({ id }) => !known.has(id))];
}

/** A candle of the article's subject and time; `bucket` is null when it is not stored. */
export interface Fed {
  readonly resolution: ResolutionId;
  readonly start: Ms;
  readonly end: Ms;
  readonly bucket: Bucket | null;
  readonly roles: readonly Role[];
}

export interface FedRow {
  readonly subject: Subject;
  /** Null when nobody can tell, any more or yet: the minute is no longer stored, or the article is on its way. */
  readonly counted: boolean | null;
  /** When the event was first written into its candles; null once the change log has forgotten. */
  readonly storedAt: Ms | null;
  readonly candles: readonly Fed[];
}

function parseFed(wire: Raw<FedCandle>): Fed[] {
  const start = parseIso(wire.start);
  const { resolution } = wire;
  if (start === null || !isResolution(resolution)) return [];
  const bucket = parseBucket(wire.bucket);
  const end = bucket?.end ?? addMs(start, slotMsOf(resolution));
  return [{ resolution, start, end, bucket, roles: rolesOf(wire.roles) }];
}

export function parseFedRows(value: unknown): FedRow[] {
  return rawList<FedSubject>(raw<ItemCandles>(value).subjects).flatMap((wire) => {
    const subject = parseSubject(textOf(wire.subject));
    if (subject === null) return [];
    const counted = typeof wire.counted === "boolean" ? wire.counted : null;
    return [{ subject, counted, storedAt: parseIso(wire.stored_at), candles: rawList<FedCandle>(wire.candles).flatMap(parseFed) }];
  });
}

export interface Step {
  readonly name: string;
  readonly note: string;
  readonly at: Ms | null;
  /** Since the step before it that has a time; null for the first. */
  readonly after: Ms | null;
}

const earliest = (times: readonly (Ms | null)[]): Ms | null => {
  const known = times.filter((at) => at !== null);
  return known.length === 0 ? null : ms(Math.min(...known));
};

/** When it was in a candle, and how well that is known: by the change log, or by when the minute was last written. */
function storedStep(fed: readonly FedRow[] | null): readonly [note: string, at: Ms | null] {
  if (fed === null) return ["", null];
  const counted = fed.filter((row) => row.counted === true);
  const told = earliest(counted.map(({ storedAt }) => storedAt));
  if (told !== null) return ["in its candles", told];
  const minutes = counted.flatMap(({ candles }) => candles.filter(({ resolution }) => resolution === "1m"));
  const written = earliest(minutes.map(({ bucket }) => bucket?.lastUpdated ?? null));
  return [written === null ? "in no candle that is kept" : "in its candles, at the latest", written];
}

/** From publication to this screen. */
export function timeline(record: ArticleRecord, fed: readonly FedRow[] | null, shownAt: Ms): Step[] {
  const [storedNote, storedAt] = storedStep(fed);
  const steps: [string, string, Ms | null][] = [
    ["Published", `by ${record.publisher || "its publisher"}`, record.publishedAt],
    ["Taken in", `from ${record.source || "its source"}`, record.ingestedAt],
    ["Scored", record.model === "" ? "" : `by ${record.model}`, record.scoredAt],
    ["Stored", storedNote, storedAt],
    ["Shown", "on this page", shownAt],
  ];
  let before: Ms | null = null;
  return steps.map(([name, note, at]) => {
    const after = at === null || before === null ? null : ms(at - before);
    before = at ?? before;
    return { name, note, at, after };
  });
}
