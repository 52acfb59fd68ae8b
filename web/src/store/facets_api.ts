import { type Facets, parseFacets } from "../model/facets.ts";
import { facetsQuery } from "../model/filter_queries.ts";
import type { Filters } from "../model/filters.ts";
import { ApiError, getJson } from "./api.ts";

/** Articles of the last hours along every dimension. Throws `ApiError`. */
export async function fetchFacets(filters: Filters, hours: number, signal?: AbortSignal): Promise<Facets> {
  const facets = parseFacets(await getJson(`/analytics/facets?${facetsQuery(filters, hours)}`, signal));
  if (facets === null) throw new ApiError(200, "The server answered in a form this page does not know.");
  return facets;
}
