import { type FedRow, parseFedRows, parseRecord, parseRecordPage, type ArticleRecord, type RecordPage } from "../model/record.ts";
import { ApiError, getJson } from "./api.ts";

export const PAGE_SIZE = 50;
/** The most the API gives in one answer: a download asks for as few pages as it can. */
export const LARGEST_PAGE = 100;

/** A page of the records that answer `query`. Throws `ApiError`. */
export async function fetchRecords(query: string, cursor: string | null, limit: number, signal?: AbortSignal): Promise<RecordPage> {
  const paging = `limit=${limit}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
  return parseRecordPage(await getJson(`/items?${query === "" ? "" : `${query}&`}${paging}`, signal));
}

/** Throws `ApiError`, with status 404 for a record that is not stored. */
export async function fetchRecord(id: string, signal: AbortSignal): Promise<ArticleRecord> {
  const record = parseRecord(await getJson(`/items/${encodeURIComponent(id)}`, signal));
  if (record === null) throw new ApiError(200, "The server answered in a form this page does not know.");
  return record;
}

export async function fetchFedRows(id: string, signal: AbortSignal): Promise<FedRow[]> {
  return parseFedRows(await getJson(`/items/${encodeURIComponent(id)}/candles`, signal));
}
