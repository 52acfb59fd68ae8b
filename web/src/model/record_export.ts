import { itemsQuery } from "./filter_queries.ts";
import { type Filters, listFilters } from "./filters.ts";
import type { ArticleRecord } from "./record.ts";
import { e4ToPolarity, formatIso, type Ms } from "./units.ts";

/** Records as files and commands; numbers and times are written as the API writes them. */
type Cell = string | number | null;

const iso = (at: Ms | null): Cell => (at === null ? null : formatIso(at));

const COLUMNS: readonly (readonly [string, (record: ArticleRecord) => Cell])[] = [
  ["id", (record) => record.id],
  ["published_at", (record) => iso(record.publishedAt)],
  ["ingested_at", (record) => iso(record.ingestedAt)],
  ["scored_at", (record) => iso(record.scoredAt)],
  ["source", (record) => record.source],
  ["publisher", (record) => record.publisher],
  ["title", (record) => record.title],
  ["snippet", (record) => record.snippet],
  ["url", (record) => record.url],
  ["label", (record) => record.label],
  ["confidence", (record) => record.confidence],
  ["polarity", (record) => (record.polarity === null ? null : e4ToPolarity(record.polarity))],
  ["model_version", (record) => record.model],
  ["subjects", (record) => record.subjects.join(" ")],
];

/**
 * One field of RFC 4180. Headlines come from outside: what a spreadsheet would take for a formula gets
 * an apostrophe before it, as spreadsheets themselves write text.
 */
export function csvField(value: Cell): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** With a header and a final line break. */
export function recordsCsv(records: readonly ArticleRecord[]): string {
  const rows = [COLUMNS.map(([name]) => name), ...records.map((record) => COLUMNS.map(([, value]) => csvField(value(record))))];
  return rows.map((row) => `${row.join(",")}\r\n`).join("");
}

/** Each line is an article as the API answers it. */
export const recordsJsonLines = (records: readonly ArticleRecord[]): string =>
  records.map((record) => `${JSON.stringify(record.json)}\n`).join("");

/** The call that answers with the same records, for a shell: the query's quoting leaves no apostrophe. */
export function recordsCurl(origin: string, filters: Filters, now: Ms): string {
  const query = itemsQuery(filters, now);
  return `curl '${origin}/api/v2/items?${query === "" ? "" : `${query}&`}limit=100'`;
}

export const recordCurl = (origin: string, id: string): string => `curl '${origin}/api/v2/items/${encodeURIComponent(id).replaceAll("'", "%27")}'`;

/** `records-AAPL-negative.csv`: what the file was narrowed to, in letters every system allows. */
export function recordsFileName(filters: Filters, extension: string): string {
  const parts = listFilters(filters).map(([name, value]) => (name === "hours" ? `${value}h` : value).replaceAll(/[^A-Za-z0-9.-]+/g, "-"));
  return `${["records", ...parts].join("-").slice(0, 80)}.${extension}`;
}
