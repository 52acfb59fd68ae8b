import type { SeriesKey } from "../model/subject.ts";
import { SeriesCache } from "../store/cache.ts";
import { dispatch } from "./controller.ts";

/** What this browser keeps of the series, for the next visit. */
export const cache = new SeriesCache();

/** Shows what was kept of a series until the server answers. */
export async function paintFromCache(key: SeriesKey): Promise<void> {
  const found = await cache.read(key);
  if (found !== null) dispatch({ kind: "cached", key, generation: found.generation, buckets: found.buckets });
}
