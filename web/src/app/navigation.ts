import type { ResolutionId } from "../model/resolution.ts";
import { formatRoute, parseRoute, type Route, withoutStrayFilters } from "../model/route.ts";
import { lowerBound } from "../model/series.ts";
import { MAX_WATCHED, type Subject } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { loadPrefs, savePrefs, type Prefs, type Theme } from "./prefs.ts";
import { focus, prefs, route, selected, selectedSeries, watched } from "./state.ts";

/** Changes the address and the page together. A step a reader would want to undo gets its own history entry. */
export function go(change: Partial<Route>, history: "push" | "replace" = "push"): void {
  // Another page shows another thing, so an identifier goes only where it is named.
  const next = { ...route.value, ...(change.page === undefined ? {} : { id: null }), ...change };
  const address = formatRoute(next);
  // A page that does not exist has the address of the first page, but is another place.
  if (next.page === route.value.page && address === formatRoute(route.value)) return;
  window.history[history === "push" ? "pushState" : "replaceState"](null, "", address);
  route.value = withoutStrayFilters(next);
}

export function followHistory(): void {
  window.addEventListener("popstate", () => {
    route.value = parseRoute(location.pathname, location.search);
  });
}

export function setPrefs(change: Partial<Prefs>): void {
  prefs.value = { ...prefs.value, ...change };
  // Another tab may have saved since this one was opened, so only what changes is written.
  savePrefs({ ...loadPrefs(), ...change });
}

const NEXT_THEME: Record<Theme, Theme> = { auto: "light", light: "dark", dark: "auto" };

export const cycleTheme = (): void => setPrefs({ theme: NEXT_THEME[prefs.value.theme] });
export const toggleZone = (): void => setPrefs({ zone: prefs.value.zone === "utc" ? "local" : "utc" });

export function selectSubject(subject: Subject): void {
  go({ subject, at: null, page: "live" });
}

export function selectResolution(resolution: ResolutionId): void {
  // A window at another resolution is another window, so the selected candle does not carry over.
  go({ resolution, at: null });
}

export function selectCandle(at: Ms | null): void {
  go({ at });
}

/** Moves the selection along the candles that exist; gaps are stepped over. Returns where it landed. */
export function stepCandle(step: number | "first" | "last"): Ms | null {
  const { buckets } = selectedSeries.value;
  if (buckets.length === 0) return null;
  const current = focus.value === null ? buckets.length - 1 : lowerBound(buckets, focus.value.start);
  const wanted = step === "first" ? 0 : step === "last" ? buckets.length - 1 : current + step;
  const bucket = buckets[Math.min(buckets.length - 1, Math.max(0, wanted))];
  if (bucket === undefined) return null;
  go({ at: bucket.start }, "replace");
  return bucket.start;
}

function setWatched(list: readonly Subject[]): void {
  setPrefs({ watched: list });
  // The address says which list it shows only when it came with one; otherwise it stays short.
  if (route.value.watched !== null) go({ watched: list }, "replace");
}

export function watch(subject: Subject): void {
  const list = watched.value;
  if (!list.includes(subject) && list.length < MAX_WATCHED) setWatched([...list, subject]);
  selectSubject(subject);
}

export function unwatch(subject: Subject): void {
  const list = watched.value.filter((item) => item !== subject);
  if (list.length === 0) return;
  setWatched(list);
  if (selected.value === subject || route.value.subject === subject) go({ subject: list[0] ?? null, at: null });
}

export function moveWatched(subject: Subject, to: number): void {
  const list = watched.value.filter((item) => item !== subject);
  list.splice(to, 0, subject);
  // With no subject in the address the first row is shown; another first row is no other choice.
  if (list[0] !== watched.value[0]) go({ subject: selected.value }, "replace");
  setWatched(list);
}
