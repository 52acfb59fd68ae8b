import { parseSeries, type SeriesAnswer } from "../model/api_types.ts";
import { type Difference, parseReport, parseRunDetail, parseRuns, parseWorst, type Report, type RunDetail, type RunsAnswer } from "../model/runs.ts";
import { type SeriesKey, splitKey } from "../model/subject.ts";
import { getJson, unknownForm } from "./api.ts";

/** A promote catches up with what has arrived and a comparison reads everything; the server gives itself two minutes. */
const PATIENCE_MS = 130_000;

export const fetchRuns = async (): Promise<RunsAnswer> => parseRuns(await getJson("/runs"));

export const fetchRun = async (id: string): Promise<RunDetail> => parseRunDetail(await getJson(`/runs/${encodeURIComponent(id)}`));

/** The newest candles of a series as a generation that may not be live has them. Throws `ApiError`. */
export async function fetchGeneration(key: SeriesKey, generation: string, signal: AbortSignal): Promise<SeriesAnswer> {
  const { subject, resolution } = splitKey(key);
  const path = `/timeseries/${encodeURIComponent(subject)}?resolution=${resolution}&generation=${encodeURIComponent(generation)}`;
  const answer = parseSeries(await getJson(path, signal));
  if (answer === null) throw unknownForm(200);
  return answer;
}

export const fetchWorst = async (before: string, after: string): Promise<Difference[]> =>
  parseWorst(await getJson(`/generations/${before}/compare/${after}`, undefined, undefined, PATIENCE_MS));

function post(path: string, key: string, body: unknown): Promise<unknown> {
  const headers = { Accept: "application/json", "Content-Type": "application/json", "X-Admin-Key": key };
  return getJson(path, undefined, { method: "POST", headers, body: JSON.stringify(body) }, PATIENCE_MS);
}

export async function compareRun(id: string, key: string): Promise<{ readonly report: Report | null; readonly worst: Difference[] }> {
  const answer = await post(`/runs/${encodeURIComponent(id)}/compare`, key, {});
  return { report: parseReport(answer), worst: parseWorst(answer) };
}

export const promote = (generation: string, key: string, force: boolean, reason: string): Promise<unknown> =>
  post(`/generations/${generation}/promote`, key, { force, reason });

export const rollBack = (generation: string, key: string, force: boolean, reason: string): Promise<unknown> =>
  post(`/generations/${generation}/rollback`, key, { force, reason });
