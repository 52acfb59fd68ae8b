import { type ArticlesAnswer, parseArticles } from "../model/article.ts";
import { type SeriesKey, splitKey } from "../model/subject.ts";
import { formatIso, type Ms } from "../model/units.ts";
import { getJson } from "./api.ts";

/** The articles behind the candle that starts at `start`. Throws `ApiError`. */
export async function fetchArticles(key: SeriesKey, start: Ms, signal: AbortSignal): Promise<ArticlesAnswer> {
  const { subject, resolution } = splitKey(key);
  const path = `/timeseries/${encodeURIComponent(subject)}/${resolution}/${encodeURIComponent(formatIso(start))}/articles`;
  return parseArticles(await getJson(path, signal));
}
