import { type Filters, listFilters, NO_FILTERS, parseFilters } from "./filters.ts";
import { isResolution, DEFAULT_RESOLUTION, type ResolutionId } from "./resolution.ts";
import { parseSubject, parseWatched, type Subject } from "./subject.ts";
import { formatIso, type Ms, parseIso } from "./units.ts";

/** Everything the address bar holds: a link shows another person the same page. */
export interface Route {
  readonly page: "live" | "grid" | "records" | "analytics" | "runs" | "ops" | "unknown";
  /** Which record or run a detail page shows; null on every other page. */
  readonly id: string | null;
  readonly subject: Subject | null;
  readonly watched: readonly Subject[] | null;
  readonly resolution: ResolutionId;
  /** The start of the selected candle; null follows the newest one. */
  readonly at: Ms | null;
  readonly scale: "full" | "fit";
  /** What the record and analytics pages are narrowed to; both keep them, other pages have none. */
  readonly filters: Filters;
}

const PAGES = ["grid", "records", "analytics", "runs", "ops"] as const;
/** Pages that show one thing under `/page/id`. */
const DETAILED: readonly Route["page"][] = ["records", "runs"];
const FILTERED: readonly Route["page"][] = ["records", "analytics"];

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    if (error instanceof URIError) return "";
    throw error;
  }
}

function parseQuery(search: string): Map<string, string> {
  const query = new Map<string, string>();
  for (const pair of search.replace(/^\?/, "").split("&")) {
    const [name = "", value = ""] = pair.split("=", 2);
    if (name !== "") query.set(decode(name), decode(value));
  }
  return query;
}

function parsePath(path: string): Pick<Route, "page" | "id"> {
  const [first = "", id = "", ...rest] = path.split("/").slice(1);
  if (first === "" && id === "") return { page: "live", id: null };
  const page = PAGES.find((name) => name === first);
  if (page === undefined || rest.join("") !== "" || (id !== "" && !DETAILED.includes(page))) return { page: "unknown", id: null };
  return { page, id: decode(id) || null };
}

export function parseRoute(path: string, search: string): Route {
  const query = parseQuery(search);
  const resolution = query.get("r");
  const found = parsePath(path);
  return {
    ...found,
    filters: FILTERED.includes(found.page) ? parseFilters(query) : NO_FILTERS,
    subject: parseSubject(query.get("s") ?? ""),
    watched: parseWatched(query.get("w")?.split(",")),
    resolution: isResolution(resolution) ? resolution : DEFAULT_RESOLUTION,
    at: parseIso(query.get("at")),
    scale: query.get("scale") === "fit" ? "fit" : "full",
  };
}

/** Filters stay on the pages that have them: whoever leaves for the candles leaves the question behind. */
export const withoutStrayFilters = (route: Route): Route =>
  FILTERED.includes(route.page) ? route : { ...route, filters: NO_FILTERS };

/** The shortest address for a route; commas and colons stay readable. */
export function formatRoute(route: Route): string {
  const readable = (text: string): string => encodeURIComponent(text).replaceAll("%3A", ":").replaceAll("%2C", ",");
  const query: string[] = [];
  if (route.subject !== null) query.push(`s=${readable(route.subject)}`);
  if (route.resolution !== DEFAULT_RESOLUTION) query.push(`r=${route.resolution}`);
  if (route.at !== null) query.push(`at=${readable(formatIso(route.at))}`);
  if (route.scale === "fit") query.push("scale=fit");
  if (route.watched !== null) query.push(`w=${readable(route.watched.join(","))}`);
  const { page, id } = route;
  if (FILTERED.includes(page)) for (const [name, value] of listFilters(route.filters)) query.push(`${name}=${readable(value)}`);
  const path = page === "live" || page === "unknown" ? "/" : `/${page}${id === null ? "" : `/${encodeURIComponent(id)}`}`;
  return query.length === 0 ? path : `${path}?${query.join("&")}`;
}
