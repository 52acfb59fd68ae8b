import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Facets, windowTotal } from "../model/facets.ts";
import { withFilters } from "../model/filter_queries.ts";
import { type FilterName, type Filters, listFilters, MAX_HOURS, NO_FILTERS } from "../model/filters.ts";
import { articlesText, momentText } from "../model/format.ts";
import { ApiError } from "../store/api.ts";
import { fetchFacets } from "../store/facets_api.ts";
import { filterText } from "./filter_text.ts";
import { go } from "./navigation.ts";
import { prefs } from "./state.ts";

const TIMES: readonly FilterName[] = ["hours", "from", "to"];
const anyTime = (filters: Filters): Filters => withFilters(filters, { from: null, to: null, hours: null });

/** Asks what there would be without the limits of time. */
function useWeek(filters: Filters): Facets | null {
  const week = useSignal<Facets | null>(null);
  const wanted = anyTime(filters);
  const name = JSON.stringify(wanted);
  useEffect(() => {
    const abort = new AbortController();
    fetchFacets(wanted, MAX_HOURS, abort.signal).then(
      (facets) => (week.value = facets),
      (error: unknown) => {
        if (!(error instanceof ApiError) && !abort.signal.aborted) throw error;
      },
    );
    return () => abort.abort();
  }, [name]);
  return week.value;
}

/** Says that nothing answers and leads to what there is: another time, or one filter less. */
export function RecordEmpty({ filters }: { filters: Filters }) {
  const week = useWeek(filters);
  const chosen = listFilters(filters);
  const timed = chosen.some(([name]) => TIMES.includes(name));
  const newest = week?.windows.findLast((window) => windowTotal(window) > 0);
  if (chosen.length === 0) {
    return (
      <div class="nothing">
        <h2>No scored news yet</h2>
        <p>The sources have been asked; the first article appears here when it has been scored.</p>
      </div>
    );
  }
  return (
    <div class="nothing">
      <h2>No record answers all of this</h2>
      {timed && newest !== undefined && week !== null && (
        <>
          <p>There are some at other times:</p>
          <button type="button" class="button button-primary" onClick={() => go({ filters: anyTime(filters) })}>
            {articlesText(week.total)} of the last 7 days, the newest on {momentText(newest.start, prefs.value.zone)}
          </button>
        </>
      )}
      <p>{timed && newest !== undefined ? "Or ask for less:" : "Ask for less:"}</p>
      <div class="nothing-offers">
        {timed && newest === undefined && (
          <button type="button" class="button" onClick={() => go({ filters: anyTime(filters) })}>
            At any time
          </button>
        )}
        {chosen.filter(([name]) => !TIMES.includes(name)).map(([name, value]) => (
          <button key={name} type="button" class="button" onClick={() => go({ filters: withFilters(filters, { [name]: null }) })}>
            Without {filterText(name, value, prefs.value.zone)}
          </button>
        ))}
        {chosen.length > 1 && (
          <button type="button" class="button" onClick={() => go({ filters: NO_FILTERS })}>
            Without any filter
          </button>
        )}
      </div>
    </div>
  );
}
