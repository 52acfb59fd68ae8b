import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Facets, Window } from "../model/facets.ts";
import { toggleFilter, withFilters } from "../model/filter_queries.ts";
import { type FilterName, type Filters, MAX_HOURS } from "../model/filters.ts";
import { type Ms, formatIso, HOUR, ms, parseIso } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchFacets } from "../store/facets_api.ts";
import { delayEdges } from "./filter_text.ts";
import { go } from "./navigation.ts";
import { route, serverNow } from "./state.ts";

export const DEFAULT_HOURS = 24;
const REFRESH_MS = 15_000;

export interface FacetsView {
  readonly facets: Facets | null;
  readonly loadedAt: Ms | null;
  readonly problem: string | null;
  /** True while the answer to another question is on its way. */
  readonly busy: boolean;
  readonly retry: () => void;
}

/** Widths are chosen so that a span has some 24 windows or more, and the first one reaches back a little further. */
const LEAST_WINDOWS = 24;

/** The hours to count: the chosen span, or as many more as it takes to reach the chosen beginning. */
export function hoursOf(filters: Filters): number {
  const span = Number(filters.hours ?? DEFAULT_HOURS);
  const from = parseIso(filters.from);
  const back = from === null ? 0 : (serverNow.peek() - from) / HOUR;
  return back <= span * (1 + 1 / LEAST_WINDOWS) ? span : Math.min(Math.ceil(back), MAX_HOURS);
}

/** Where the counts begin when that is after the chosen beginning; null when they are whole. */
export function cutAt({ windows }: Facets, filters: Filters): Ms | null {
  const [from, first] = [parseIso(filters.from), windows[0]];
  return from !== null && first !== undefined && from < first.start ? first.start : null;
}

export const sumOf = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** The counts under the filters, asked again every quarter of a minute while the page is looked at. */
export function useFacets(filters: Filters): FacetsView {
  const view = useSignal<Omit<FacetsView, "retry">>({ facets: null, loadedAt: null, problem: null, busy: true });
  const tries = useSignal(0);
  useEffect(() => {
    const abort = new AbortController();
    const load = async (): Promise<void> => {
      try {
        const facets = await fetchFacets(filters, hoursOf(filters), abort.signal);
        delayEdges.value = facets.arrival.edges;
        view.value = { facets, loadedAt: ms(Date.now()), problem: null, busy: false };
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        view.value = { ...view.peek(), problem: error.message, busy: false };
      }
    };
    view.value = { ...view.peek(), busy: true };
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, REFRESH_MS);
    return () => {
      clearInterval(timer);
      abort.abort();
    };
  }, [JSON.stringify(filters), tries.value]);
  return { ...view.value, retry: () => (tries.value += 1) };
}

export const pick = (name: FilterName, value: string): void => go({ filters: toggleFilter(route.value.filters, name, value) });

export const isInRange = (window: Window, filters: Filters): boolean => {
  const [from, to] = [parseIso(filters.from), parseIso(filters.to)];
  return (from !== null || to !== null) && (from === null || window.start >= from) && (to === null || window.end <= to);
};

/** One window, or with `extend` everything from what was chosen up to it; the chosen one again takes it back. */
export function pickWindow(window: Window, extend: boolean): void {
  const { filters } = route.value;
  const [from, to] = [parseIso(filters.from), parseIso(filters.to)];
  if (from === window.start && to === window.end) return go({ filters: withFilters(filters, { from: null, to: null }) });
  const start = extend && from !== null ? Math.min(from, window.start) : window.start;
  const end = extend && to !== null ? Math.max(to, window.end) : window.end;
  go({ filters: withFilters(filters, { from: formatIso(ms(start)), to: formatIso(ms(end)) }) });
}
