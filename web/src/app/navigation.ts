import type { ResolutionId } from "../model/resolution.ts";
import { formatRoute, parseRoute, type Route, withoutStrayFilters } from "../model/route.ts";
import { MAX_WATCHED, type Subject } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { loadPrefs, savePrefs, type Prefs, type Theme } from "./prefs.ts";
import { hovered, prefs, route, selected, watched } from "./state.ts";

const ADDRESS_DELAY_MS = 200;
let unwritten = 0;

function writeAddress(how: "pushState" | "replaceState" = "replaceState"): void {
  clearTimeout(unwritten);
  unwritten = 0;
  window.history[how](null, "", formatRoute(route.value));
}

/**
 * Changes the page, then its address. A step a reader would want to undo gets its own history entry; of the others only
 * the last is written, because browsers refuse an address that changes as often as a key repeats.
 */
export function go(change: Partial<Route>, history: "push" | "replace" = "push"): void {
  const next = {
    ...route.value,
    // Another page shows another thing, so an identifier goes only where it is named.
    ...(change.page === undefined ? {} : { id: null }),
    // What is chosen is chosen of one subject; who is sent the address may watch others.
    ...(change.at || change.resolution ? { subject: selected.value } : {}),
    ...change,
  };
  const address = formatRoute(next);
  // A page that does not exist has the address of the first page, but is another place.
  if (next.page === route.value.page && address === formatRoute(route.value)) return;
  if (unwritten !== 0 && history === "push") writeAddress();
  route.value = withoutStrayFilters(next);
  // Another candle is chosen than the one under the crosshair.
  if (change.at !== undefined) hovered.value = null;
  if (history === "push") return writeAddress("pushState");
  clearTimeout(unwritten);
  unwritten = window.setTimeout(writeAddress, ADDRESS_DELAY_MS);
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

function changeWatched(change: (list: readonly Subject[]) => readonly Subject[]): void {
  // A list that came with the address is not the reader's own, which stays as it is.
  if (route.value.watched !== null) return go({ watched: change(route.value.watched) }, "replace");
  // Another tab may have saved since this one was opened, so the change is made to what is kept, unless that empties it.
  const changed = change(loadPrefs().watched ?? watched.value);
  setPrefs({ watched: changed.length > 0 ? changed : change(watched.value) });
}

export function watch(subject: Subject): void {
  changeWatched((list) => (list.includes(subject) || list.length >= MAX_WATCHED ? list : [...list, subject]));
  selectSubject(subject);
}

export function unwatch(subject: Subject): void {
  const without = (list: readonly Subject[]): readonly Subject[] => list.filter((item) => item !== subject);
  const [next] = without(watched.value);
  if (next === undefined) return;
  changeWatched(without);
  if (selected.value === subject || route.value.subject === subject) go({ subject: next, at: null });
}

export function moveWatched(subject: Subject, to: number): void {
  const moved = (list: readonly Subject[]): readonly Subject[] => {
    const others = list.filter((item) => item !== subject);
    if (others.length < list.length) others.splice(to, 0, subject);
    return others;
  };
  // With no subject in the address the first row is shown; another first row is no other choice.
  if (moved(watched.value)[0] !== watched.value[0]) go({ subject: selected.value }, "replace");
  changeWatched(moved);
}
