import { signal } from "@preact/signals";
import { itemsQuery } from "../model/filter_queries.ts";
import { type Filters, listFilters } from "../model/filters.ts";
import { appendPage, type ArticleRecord, type RecordPage } from "../model/record.ts";
import { type Ms, ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchRecords, LARGEST_PAGE, PAGE_SIZE } from "../store/records_api.ts";
import { link, serverNow } from "./state.ts";

/** The records that are loaded. They stay when the reader opens one, so that the way back shows the same list. */
export interface RecordList {
  /** The filters as text; another one is another list. */
  readonly name: string | null;
  /** The question of the first page; "the last 24 hours" stays where it was while the reader pages on. */
  readonly query: string;
  readonly records: readonly ArticleRecord[];
  readonly nextCursor: string | null;
  readonly loadedAt: Ms | null;
  /** The newest ingest known when the first page was read, under these filters or not: the list needs nothing older. */
  readonly newestIngestAt: Ms | null;
  readonly busy: "first" | "more" | null;
  readonly problem: string | null;
  /** What the problem is of. */
  readonly failed: "first" | "more" | null;
}

const EMPTY: RecordList = {
  name: null, query: "", records: [], nextCursor: null, loadedAt: null, newestIngestAt: null, busy: null, problem: null, failed: null,
};
/** Under a rare filter a page may come back short or empty; the search goes on by itself this often. */
const MAX_SHORT_PAGES = 5;
/** A download stops here and says so. */
export const MAX_DOWNLOAD = 5_000;

export const list = signal<RecordList>(EMPTY);
/** The record that was opened last: where the list goes on when the reader comes back. */
export const leftFor = signal<string | null>(null);
let running: AbortController | null = null;

export const nameOfFilters = (filters: Filters): string => listFilters(filters).map((pair) => pair.join("=")).join("&");

/** One page as the reader understands it: pages that are short because the filter is rare are put together. */
async function readPage(query: string, cursor: string | null, limit: number, signal: AbortSignal): Promise<RecordPage> {
  let page = await fetchRecords(query, cursor, limit, signal);
  for (let more = 1; more < MAX_SHORT_PAGES && page.nextCursor !== null && page.records.length < limit / 2; more++) {
    const next = await fetchRecords(query, page.nextCursor, limit, signal);
    page = { records: appendPage(page.records, next), nextCursor: next.nextCursor };
  }
  return page;
}

async function load(busy: "first" | "more", work: (signal: AbortSignal) => Promise<Partial<RecordList>>): Promise<void> {
  running?.abort();
  const abort = new AbortController();
  running = abort;
  list.value = { ...list.value, busy, problem: null, failed: null };
  try {
    const found = await work(abort.signal);
    if (!abort.signal.aborted) list.value = { ...list.value, ...found, busy: null };
  } catch (error) {
    if (abort.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    list.value = { ...list.value, busy: null, problem: error.message, failed: busy };
  }
}

/** The newest records under the filters. What another question showed stays, greyed, until the answer is there. */
export function loadFirst(filters: Filters): Promise<void> {
  const name = nameOfFilters(filters);
  // Before the stream has told anything, what comes after this moment is newer.
  const told = link.peek().heartbeat?.newestIngestAt ?? serverNow.peek();
  return load("first", async (signal) => {
    const query = itemsQuery(filters, serverNow.peek());
    const page = await readPage(query, null, PAGE_SIZE, signal);
    const newestIngestAt = ms(Math.max(told, page.records[0]?.ingestedAt ?? 0));
    return { name, query, records: page.records, nextCursor: page.nextCursor, loadedAt: ms(Date.now()), newestIngestAt };
  });
}

/** Those that follow; what another question showed is not gone on with. */
export function loadMore(filters: Filters): Promise<void> {
  const { name, query, nextCursor, records, busy } = list.value;
  if (nextCursor === null || busy !== null || name !== nameOfFilters(filters)) return Promise.resolve();
  return load("more", async (signal) => {
    const page = await readPage(query, nextCursor, PAGE_SIZE, signal);
    return { records: appendPage(records, page), nextCursor: page.nextCursor };
  });
}

/** Asks for what could not be loaded; what is loaded stays. */
export const tryAgain = (filters: Filters): Promise<void> => (list.value.failed === "more" ? loadMore(filters) : loadFirst(filters));

/** Everything under the filters, page after page, up to the limit. Throws `ApiError`. */
export async function collect(filters: Filters, tell: (count: number) => void): Promise<{ records: readonly ArticleRecord[]; cut: boolean }> {
  const query = itemsQuery(filters, serverNow.peek());
  let records: readonly ArticleRecord[] = [];
  let cursor: string | null = null;
  do {
    const page: RecordPage = await fetchRecords(query, cursor, LARGEST_PAGE);
    records = appendPage(records, page);
    cursor = page.nextCursor;
    tell(records.length);
  } while (cursor !== null && records.length < MAX_DOWNLOAD);
  return { records: records.slice(0, MAX_DOWNLOAD), cut: cursor !== null };
}
