import {
  parseSeries,
  parseSeriesList,
  parseSubjects,
  type SeriesAnswer,
  type SubjectsAnswer,
} from "../model/api_types.ts";
import { splitKey, type SeriesKey, type Subject } from "../model/subject.ts";
import type { ResolutionId } from "../model/resolution.ts";

/** Why a call failed, in words for the reader; `status` is 0 when the server could not be reached. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

const TIMEOUT_MS = 10_000;

/** The server names the cause in problem+json; anything else is told by its status. */
function problemText(status: number, body: unknown): string {
  const data = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const detail = data["detail"] ?? data["title"];
  return typeof detail === "string" ? detail : `The server answered with status ${status}.`;
}

/** Another program answers, or a server of another version. */
export const unknownForm = (status: number): ApiError => new ApiError(status, "The server answered in a form this page does not know.");

function nullIfNoJson(error: unknown): null {
  if (error instanceof SyntaxError) return null;
  throw error;
}

/** Asks and reads the answer; `how` makes it another call than a plain GET. Throws `ApiError`. */
export async function getJson(path: string, signal?: AbortSignal, how?: RequestInit, patience = TIMEOUT_MS): Promise<unknown> {
  const timeout = AbortSignal.timeout(patience);
  try {
    const response = await fetch(`/api/v2${path}`, {
      headers: { Accept: "application/json" },
      ...how,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    const body: unknown = await response.json().catch(nullIfNoJson);
    if (!response.ok) throw new ApiError(response.status, problemText(response.status, body));
    if (body === null && response.status !== 204) throw unknownForm(response.status);
    return body;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (signal?.aborted === true) throw error;
    if (error instanceof DOMException) throw new ApiError(0, `The server did not answer within ${patience / 1_000} seconds.`);
    if (error instanceof TypeError) throw new ApiError(0, "The server cannot be reached.");
    throw error;
  }
}

export async function fetchSeries(key: SeriesKey): Promise<SeriesAnswer> {
  const { subject, resolution } = splitKey(key);
  const answer = parseSeries(await getJson(`/timeseries/${encodeURIComponent(subject)}?resolution=${resolution}`));
  if (answer === null) throw unknownForm(200);
  return answer;
}

/** The newest candles of several subjects in one call, enough for their sparklines. */
export async function fetchSeveral(
  subjects: readonly Subject[],
  resolution: ResolutionId,
  limit: number,
): Promise<SeriesAnswer[]> {
  const tickers = subjects.map(encodeURIComponent).join(",");
  return parseSeriesList(await getJson(`/timeseries?tickers=${tickers}&resolution=${resolution}&limit=${limit}`));
}

export async function fetchSubjects(): Promise<SubjectsAnswer> {
  return parseSubjects(await getJson("/subjects"));
}
