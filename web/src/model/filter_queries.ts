import { FILTER_NAMES, type FilterName, type Filters, listFilters } from "./filters.ts";
import { formatIso, HOUR, type Ms, ms } from "./units.ts";

/** Changing filters, and asking the server for what they leave: only the pages that have filters need this. */

/** With some filters set (text) or removed (null). */
export function withFilters(filters: Filters, change: Readonly<Partial<Record<FilterName, string | null>>>): Filters {
  const next: Partial<Record<FilterName, string>> = { ...filters };
  for (const name of FILTER_NAMES) {
    const value = change[name];
    if (value === null) delete next[name];
    else if (value !== undefined) next[name] = value;
  }
  return next;
}

/** A second click on what is chosen takes the choice back. */
export function toggleFilter(filters: Filters, name: FilterName, value: string): Filters {
  return withFilters(filters, { [name]: filters[name] === value ? null : value });
}

/** The span of the analytics page is its frame, not a filter a reader would take off. */
export const isFiltered = (filters: Filters): boolean => listFilters(filters).some(([name]) => name !== "hours");

const encoded = (pairs: readonly (readonly [string, string | undefined])[]): string =>
  pairs
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value).replaceAll("'", "%27")}`]))
    .join("&");

/** The query of `/items`; `hours` counts back from `now`. */
export function itemsQuery(filters: Filters, now: Ms): string {
  const back = filters.hours === undefined ? undefined : formatIso(ms(now - Number(filters.hours) * HOUR));
  // The later of two beginnings: both are asked for.
  const since = [filters.from, back].flatMap((text) => (text === undefined ? [] : [text])).sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
  return encoded([
    ["ticker", filters.ticker],
    ["tag", filters.tag],
    ["sentiment", filters.label],
    ["source", filters.source],
    ["model", filters.model],
    ["score", filters.score],
    ["arrival", filters.arrival],
    ["scoring", filters.scoring],
    ["since", since],
    ["until", filters.to],
  ]);
}

/** The query of `/analytics/facets`. */
export function facetsQuery(filters: Filters, hours: number): string {
  const { ticker, tag, label, source, model, score, arrival, scoring, from, to } = filters;
  return encoded([
    ["hours", String(hours)],
    ...Object.entries({ ticker, tag, label, source, model, score, arrival, scoring }),
    ["start", from],
    ["end", to],
  ]);
}
