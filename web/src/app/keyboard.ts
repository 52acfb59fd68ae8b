import { RESOLUTIONS } from "../model/resolution.ts";
import { goLive } from "./chart_host.tsx";
import { cycleTheme, go, selectResolution, toggleZone } from "./navigation.ts";
import { PAGE_NAMES } from "./page_names.ts";
import { helpOpen, paletteOpen, prefs, route, selected, watched } from "./state.ts";
import { stepCandle, STEPS } from "./stepping.ts";

function selectByNumber(number: number): void {
  const row = RESOLUTIONS[number - 1];
  if (row !== undefined) selectResolution(row.id);
}

/** A key that is held makes one entry of history. */
function stepSubject(step: number, { repeat }: KeyboardEvent): void {
  const list = watched.value;
  // From a subject that is not on the list the first one is next, and the last one is previous.
  const at = list.findIndex((subject) => subject === selected.value);
  const next = list[at < 0 && step < 0 ? list.length - 1 : (at + step + list.length) % list.length];
  if (next === undefined) return;
  // The candles of a run are of that page alone.
  go({ subject: next, at: null, ...(route.value.page === "runs" ? {} : { page: "live" }) }, repeat ? "replace" : "push");
}

/** Keys of the candles; pages without candles leave them to their own lists. */
const CANDLE_ACTIONS: Record<string, (event: KeyboardEvent) => void> = {
  j: (event) => stepSubject(1, event),
  k: (event) => stepSubject(-1, event),
  l: goLive,
  f: () => go({ scale: route.value.scale === "fit" ? "full" : "fit" }, "replace"),
};

const ACTIONS: Record<string, () => void> = {
  u: toggleZone,
  t: cycleTheme,
  "/": () => document.querySelector<HTMLElement>("#add-subject, .filters input")?.focus(),
  "?": () => (helpOpen.value = !helpOpen.value),
};

const CHORD_MS = 1_200;
let chordUntil = 0;

function showsCandles(): boolean {
  const { page, id } = route.value;
  return page === "live" || page === "grid" || (page === "runs" && id !== null);
}

const isInside = (target: EventTarget | null, place: string): boolean => target instanceof HTMLElement && target.closest(place) !== null;

/** Keys that the browser scrolls with are the chart's only where it has the focus. */
function candleAction({ key, target }: KeyboardEvent): ((event: KeyboardEvent) => void) | undefined {
  // A wide table is scrolled with the arrow keys.
  if (!showsCandles() || isInside(target, ".table-scroll")) return undefined;
  const step = STEPS[key];
  if (step === undefined) return CANDLE_ACTIONS[key];
  return key === "ArrowLeft" || key === "ArrowRight" || isInside(target, ".chart-frame") ? () => stepCandle(step) : undefined;
}

function onKey(event: KeyboardEvent): void {
  // Chrome says that a suggestion was picked as if a key had been pressed, without saying which.
  if (!event.key) return;
  if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
    event.preventDefault();
    paletteOpen.value = !paletteOpen.value;
    return;
  }
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isInside(event.target, "input, select, textarea, dialog")) return;
  if (!prefs.value.keys && event.key.length === 1) return;
  const page = Date.now() < chordUntil ? PAGE_NAMES.find((row) => row.key === event.key)?.page : undefined;
  chordUntil = 0;
  if (page !== undefined) return go({ page, at: null });
  if (event.key === "g") {
    chordUntil = Date.now() + CHORD_MS;
    return;
  }
  if (showsCandles() && /^[1-8]$/.test(event.key)) return selectByNumber(Number(event.key));
  const action = ACTIONS[event.key] ?? candleAction(event);
  if (action === undefined) return;
  event.preventDefault();
  action(event);
}

const EARLY_MS = 3_000;

/** Answers keys from now on, and those of the last seconds that nobody could answer. */
export function listenForKeys(early: readonly KeyboardEvent[] = []): void {
  document.addEventListener("keydown", onKey);
  for (const event of early) if (performance.now() - event.timeStamp < EARLY_MS) onKey(event);
}
