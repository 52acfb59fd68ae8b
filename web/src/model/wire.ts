// Generated from the server's OpenAPI document by dev/generate_types.mjs; do not edit.

/** A scored article behind a bucket; `roles`: which of the bucket's values it made. */
export interface Article {
  readonly event_id: string;
  readonly article_id: string;
  readonly title: string | null;
  readonly publisher: string | null;
  readonly source: string | null;
  readonly url: string | null;
  readonly published_at: string;
  readonly ingested_at: string | null;
  readonly scored_at: string | null;
  readonly label: "positive" | "neutral" | "negative" | null;
  readonly confidence: number | null;
  readonly polarity: number | null;
  readonly model_version: string | null;
  readonly roles: readonly ("open" | "high" | "low" | "close")[];
}

/** The articles behind a bucket by (event time, event id). `count`: the bucket's own; when it is larger than the list, `missing` articles are gone from the item store, or the list was cut at its limit. */
export interface Articles {
  readonly articles: readonly Article[];
  readonly count: number;
  readonly missing: number;
  readonly bucket: Bucket;
}

/** Who did what, when and why. */
export interface AuditRecord {
  readonly at: string;
  readonly action: string;
  readonly generation: string;
  readonly reason: string | null;
}

/** The aggregate of one subject, one resolution, one window `[start, end)`; polarity in [−1, 1]. */
export interface Bucket {
  readonly start: string;
  readonly end: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly sum: number;
  readonly count: number;
  readonly label_counts: LabelCounts;
  readonly sources: readonly string[];
  readonly model_versions: readonly string[];
  readonly open_at: EventAt;
  readonly close_at: EventAt;
  readonly rev: number;
  readonly is_partial: boolean;
  readonly last_updated: string;
}

/** One event of the stream, as polled. */
export interface ChangeEvent {
  readonly event: string;
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What happened since a cursor. `resumed` false: the first event is a snapshot and replaces what was known. */
export interface Changes {
  readonly epoch: string;
  readonly cursor: string;
  readonly resumed: boolean;
  readonly reason: "ok" | "first" | "too_old" | "epoch_changed";
  readonly events: readonly ChangeEvent[];
  readonly more: boolean;
}

/** The full comparison of a run with the live generation; `breaches`: what stands between it and a promote. */
export interface CompareReport {
  readonly a: string;
  readonly b: string;
  readonly at: string;
  readonly complete: boolean;
  readonly counts: Readonly<Record<string, unknown>>;
  readonly by_resolution: Readonly<Record<string, unknown>>;
  readonly by_subject: Readonly<Record<string, unknown>>;
  readonly mean_abs_close_change: number;
  readonly label_flips: Readonly<Record<string, unknown>>;
  readonly psi: Readonly<Record<string, unknown>>;
  readonly worst: readonly (Readonly<Record<string, unknown>>)[];
  readonly breaches: readonly string[];
}

/** A watch list. */
export interface Configuration {
  readonly id: string;
  readonly name: string;
  readonly subjects: readonly string[];
  readonly created_at: string;
  readonly updated_at: string;
  readonly stream: string;
}

/** A user's watch lists. */
export interface Configurations {
  readonly configurations: readonly Configuration[];
}

/** Articles of one subject by window, in the order of `windows`. */
export interface Coverage {
  readonly subject: string;
  readonly counts: readonly number[];
}

/** Articles by delay: `counts[i]` up to and with `edges_ms[i]`, the last one longer than all edges. Percentiles are the upper edge of their bin; null when longer than all edges, or when `count` is 0. */
export interface Delays {
  readonly edges_ms: readonly number[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly p50_ms: number | null;
  readonly p95_ms: number | null;
}

/** When and by which event open or close was made. */
export interface EventAt {
  readonly time: string;
  readonly event_id: string;
}

/** Articles ingested in one window, by label. */
export interface FacetWindow {
  readonly start: string;
  readonly end: string;
  readonly positive: number;
  readonly neutral: number;
  readonly negative: number;
}

/** Articles along every dimension, each under the filters on the others. `scores[i]`: polarity in the tenth that begins at −1 + i/10. `arrival`: from publication to ingestion; `scoring`: from there to the score. */
export interface Facets {
  readonly hours: number;
  readonly resolution: string;
  readonly start: string;
  readonly end: string;
  readonly total: number;
  readonly whole_from: string | null;
  readonly windows: readonly FacetWindow[];
  readonly labels: LabelCounts;
  readonly sources: readonly NamedCount[];
  readonly models: readonly NamedCount[];
  readonly tags: readonly NamedCount[];
  readonly tickers: readonly NamedCount[];
  readonly scores: readonly number[];
  readonly arrival: Delays;
  readonly scoring: Delays;
  readonly coverage: readonly Coverage[];
}

/** A candle of an article's minute; `bucket` is null when it is not stored. `roles`: which of its values the article made (articles with the same high or low all did). */
export interface FedCandle {
  readonly resolution: string;
  readonly start: string;
  readonly bucket: Bucket | null;
  readonly roles: readonly ("open" | "high" | "low" | "close")[];
}

/** An article's candles of one subject, finest first. `counted`: null when nobody can tell, any more or yet. `stored_at`: when its event was first written into them; null once the change log has forgotten (a day). */
export interface FedSubject {
  readonly subject: string;
  readonly event_id: string;
  readonly counted: boolean | null;
  readonly stored_at: string | null;
  readonly candles: readonly FedCandle[];
}

/** A complete set of buckets; `detail`: what the replay that built it recorded. */
export interface Generation {
  readonly name: string;
  readonly live: boolean;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The generations; `swaps`: when another one went live, oldest first. */
export interface Generations {
  readonly generations: readonly Generation[];
  readonly swaps: readonly Swap[];
}

/** A scored article, with the attribute names of the store. `score`: confidence in the label; `polarity`: what candles are made of. */
export interface Item {
  readonly source_id: string;
  readonly ingested_at: string;
  readonly source_type: string | null;
  readonly source_url: string | null;
  readonly text_snippet: string | null;
  readonly sentiment: "positive" | "neutral" | "negative" | null;
  readonly score: number | null;
  readonly polarity: number | null;
  readonly model_version: string | null;
  readonly scored_at: string | null;
  readonly raw_key: string | null;
  readonly metadata: ItemMetadata | null;
  readonly matched_tags: readonly string[];
  readonly matched_tickers: readonly string[];
  readonly sources: readonly (Readonly<Record<string, unknown>>)[];
}

/** The candles an article fed, in the live generation. */
export interface ItemCandles {
  readonly article_id: string;
  readonly generation: string;
  readonly subjects: readonly FedSubject[];
}

/** What the source said of the article. */
export interface ItemMetadata {
  readonly author: string | null;
  readonly title: string | null;
  readonly published_at: string | null;
  readonly source_name: string | null;
}

/** A page of articles, newest first. */
export interface Items {
  readonly items: readonly Item[];
  readonly count: number;
  readonly next_cursor: string | null;
}

/** How many articles had each label. */
export interface LabelCounts {
  readonly positive: number;
  readonly neutral: number;
  readonly negative: number;
}

/** How many articles of a name. */
export interface NamedCount {
  readonly name: string;
  readonly count: number;
}

/** The bucket of the window that contains now. */
export interface PartialBucket {
  readonly start: string;
  readonly end: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly sum: number;
  readonly count: number;
  readonly label_counts: LabelCounts;
  readonly sources: readonly string[];
  readonly model_versions: readonly string[];
  readonly open_at: EventAt;
  readonly close_at: EventAt;
  readonly rev: number;
  readonly is_partial: boolean;
  readonly last_updated: string;
  readonly progress_pct: number;
  readonly next_update_at: string;
}

/** A replay run: what it builds and how far it came. More members come with its state. */
export interface Run {
  readonly id: string;
  readonly generation: string;
  readonly state: string;
  readonly model: string | null;
  readonly plan: string;
  readonly planned_at: string;
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly units_done: number;
  readonly units_total: number;
  readonly seconds: number | null;
  readonly digest: string | null;
  readonly error: string | null;
}

/** A run with its last compare (null: none yet) and what was done with its generation, oldest first. */
export interface RunDetail {
  readonly id: string;
  readonly generation: string;
  readonly state: string;
  readonly model: string | null;
  readonly plan: string;
  readonly planned_at: string;
  readonly created_at: string;
  readonly finished_at: string | null;
  readonly units_done: number;
  readonly units_total: number;
  readonly seconds: number | null;
  readonly digest: string | null;
  readonly error: string | null;
  readonly live: string;
  readonly compare: Readonly<Record<string, unknown>> | null;
  readonly audit: readonly AuditRecord[];
}

/** The replay runs, newest first, and which generation is live. */
export interface Runs {
  readonly live: string;
  readonly runs: readonly Run[];
}

/** A page of a series, ascending. `stream_cursor`: where the stream goes on without a gap. */
export interface Series {
  readonly ticker: string;
  readonly resolution: string;
  readonly buckets: readonly Bucket[];
  readonly partial_bucket: PartialBucket | null;
  readonly cache_hit: boolean;
  readonly query_time_ms: number;
  readonly next_cursor: string | null;
  readonly stream_cursor: string;
  readonly generation: string;
}

/** Several series at one resolution. */
export interface SeriesList {
  readonly series: readonly Series[];
}

/** The line as a whole; stages that run elsewhere add their own members. */
export interface Status {
  readonly sources: readonly (Readonly<Record<string, unknown>>)[];
  readonly counts: Readonly<Record<string, unknown>>;
  readonly lag_ms: number | null;
  readonly newest_ingest_at: string | null;
  readonly watermarks: readonly (Readonly<Record<string, unknown>>)[];
  readonly demo: boolean;
}

/** A live subject. */
export interface SubjectRow {
  readonly subject: string;
  readonly name: string | null;
  readonly count_24h: number;
  readonly last_event_at: string | null;
}

/** The live subjects. `demo`: recorded news is playing. */
export interface Subjects {
  readonly subjects: readonly SubjectRow[];
  readonly demo: boolean;
  readonly demo_note: string | null;
}

/** Another generation went live. */
export interface Swap {
  readonly at: string;
  readonly action: "promote" | "rollback";
  readonly generation: string;
  readonly previous: string;
  readonly reason: string;
}
