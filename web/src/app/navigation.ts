import type { ResolutionId } from "../model/resolution.ts";
import { formatRoute, parseRoute, type Route, withoutStrayFilters } from "../model/route.ts";
import type { Subject } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { loadPrefs, savePrefs, type Prefs, type Theme } from "./prefs.ts";
import { hovered, prefs, route, selected } from "./state.ts";

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
  if (change.at !== undefined && !change.resolution) hovered.value = null;
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
