import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { SubjectsAnswer } from "../model/api_types.ts";
import { type Bucket, isLive } from "../model/bucket.ts";
import { type Pill, pill } from "../model/health.ts";
import { INITIAL_LINK, type Link } from "../model/protocol.ts";
import { slotMsOf } from "../model/resolution.ts";
import type { Revision } from "../model/revisions.ts";
import { parseRoute, type Route } from "../model/route.ts";
import { bucketStarting, newestBegun } from "../model/series.ts";
import { type Slot, toSlots } from "../model/slots.ts";
import type { NewItem } from "../model/stream_event.ts";
import { MAX_WATCHED, parseWatched, seriesKey, type SeriesKey, type Subject } from "../model/subject.ts";
import { EMPTY_SERIES, INITIAL_SYNC, seriesOf, type SyncState } from "../model/sync.ts";
import { addMs, type Ms, ms } from "../model/units.ts";
import type { Flag } from "../view/painters.ts";
import { loadPrefs, type Prefs } from "./prefs.ts";
import { recall, remember } from "./storage.ts";

/** Everything the page shows follows from these signals; only `controller.ts` and `navigation.ts` set them. */
export const route = signal<Route>(parseRoute(location.pathname, location.search));
export const prefs = signal<Prefs>(loadPrefs());
export const sync = signal<SyncState>(INITIAL_SYNC);
export const link = signal<Link>(INITIAL_LINK);
export const subjects = signal<SubjectsAnswer | null>(null);
/** Why the newest fetch of a series failed; under an empty key, why that of the subjects did. */
export const problems = signal<Readonly<Record<string, string | null>>>({});
/** Set while the tabs together want more than one connection may carry and this one is not served. */
export const crowded = signal(false);
export const revisions = signal<readonly Revision[]>([]);
export const headlines = signal<readonly NewItem[]>([]);
/** When the newest article that the stream told of was published, by subject. */
export const toldAt = signal<Readonly<Record<string, number>>>({});
/** Instants marked on every chart: another generation went live. Set by `swaps.ts`. */
export const flags = signal<readonly Flag[]>([]);
/** The browser's clock, once a second. */
export const now = signal<Ms>(ms(Date.now()));
/** The place under the crosshair, shared by every chart on the page. */
export const hovered = signal<Ms | null>(null);
export const following = signal(true);
export const helpOpen = signal(false);
export const paletteOpen = signal(false);

export const serverNow = computed(() => addMs(now.value, link.value.clockOffset));
export const health = computed<Pill>(() => {
  const found = pill(link.value, now.value, crowded.value);
  if (link.value.phase !== "connecting" || subjects.value === null || selected.value !== null) return found;
  // Without a subject no stream is opened.
  return { ...found, state: "polling", label: "Waiting", explanation: "The server has no subjects yet; the page asks every 10 s." };
});

/** A list that stays the same value until its members change: who follows it is not called for an equal one. */
function steady<Name extends string>(list: () => readonly Name[]): ReadonlySignal<readonly Name[]> {
  const text = computed(() => list().join(" "));
  return computed(() => (text.value === "" ? [] : (text.value.split(" ") as Name[])));
}

const SUGGESTED = "candlewick.suggested";
const remembered = parseWatched(recall(SUGGESTED)?.split(" ")) ?? [];
let suggested: readonly Subject[] = [];
/**
 * The busiest subjects; until the server has named them, those of the last visit. What was shown once stays where it is,
 * so that nothing moves because another became busier.
 */
const suggestions = computed(() => {
  const busiest = subjects.value?.subjects.map((row) => row.subject);
  if (busiest === undefined) return remembered;
  const first = busiest.slice(0, MAX_WATCHED);
  // The first one is on the chart, which is not to jump to another.
  const known = [...suggested, ...remembered.filter((subject, at) => (at === 0 ? busiest : first).includes(subject))];
  suggested = [...new Set([...known, ...busiest])].slice(0, MAX_WATCHED);
  const text = suggested.join(" ");
  if (recall(SUGGESTED) !== text) remember(SUGGESTED, text);
  return suggested;
});

export const watched = steady<Subject>(() => route.value.watched ?? prefs.value.watched ?? suggestions.value);

export const selected = computed<Subject | null>(() => route.value.subject ?? watched.value[0] ?? null);
export const resolution = computed(() => route.value.resolution);
export const selectedKey = computed(() => (selected.value === null ? null : seriesKey(selected.value, resolution.value)));
/** Why there is nothing of what is selected, or nothing new; null when nothing failed. */
export const failure = computed(() => problems.value[selectedKey.value ?? ""] ?? null);
/** Whether nobody tells of changes any more: the server is away, or the network. */
export const isLost = computed(() => {
  const { phase, failures } = link.value;
  return phase === "offline" || (failures > 0 && health.value.state === "reconnecting");
});
export const selectedSeries = computed(() =>
  selectedKey.value === null ? EMPTY_SERIES : seriesOf(sync.value, selectedKey.value),
);

/** The series drawn as candles: one on the Live page, every watched one on the Grid page. */
export const candleKeys = steady<SeriesKey>(() => {
  if (route.value.page === "grid") return watched.value.map((subject) => seriesKey(subject, resolution.value));
  return selectedKey.value === null ? [] : [selectedKey.value];
});

const selectedBuckets = computed(() => selectedSeries.value.buckets);
export const slots = computed<readonly Slot[]>(() => toSlots(selectedBuckets.value, slotMsOf(resolution.value)));

export const newest = computed<Bucket | null>(() => newestBegun(selectedBuckets.value, serverNow.value) ?? null);
export const liveBucket = computed<Bucket | null>(() => {
  const last = newest.value;
  return last !== null && isLive(last, serverNow.value) ? last : null;
});
export const liveStart = computed(() => liveBucket.value?.start ?? null);

/** The candle the panel explains: the selected one, else the newest. */
export const focus = computed<Bucket | null>(() => {
  const at = route.value.at;
  return at === null ? newest.value : bucketStarting(selectedBuckets.value, at);
});

/** What happened inside a candle's window besides news; empty when nothing did. */
export const flagsIn = ({ start, end }: Bucket): string =>
  flags.value.filter(({ at }) => start <= at && at < end).map(({ text }) => text).join(", ");

const names = computed(() => new Map(subjects.value?.subjects.map((row) => [row.subject, row.name])));
export const nameOf = (subject: Subject): string => names.value.get(subject) ?? subject;
