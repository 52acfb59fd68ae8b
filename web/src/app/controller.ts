import { effect, untracked } from "@preact/signals";
import type { SeriesAnswer } from "../model/api_types.ts";
import { KEPT_FOR, type PageMessage, type WorkerMessage } from "../model/protocol.ts";
import type { ResolutionId } from "../model/resolution.ts";
import type { BucketUpdate, NewItem } from "../model/stream_event.ts";
import { seriesKey, type SeriesKey, splitKey, type Subject } from "../model/subject.ts";
import { isAnswered, mayConfirm, reduce, seriesOf, type SeriesState, type SyncInput } from "../model/sync.ts";
import { ms } from "../model/units.ts";
import { ApiError, fetchSeries, fetchSeveral, fetchSubjects } from "../store/api.ts";
import { openStreamPort, type StreamPort } from "../store/stream_port.ts";
import { loadCode } from "./code.ts";
import { noteShown } from "./shown.ts";
import { visitedBefore } from "./visits.ts";
import {
  candleKeys, crowded, headlines, link, now, problems, resolution, subjects, sync, toldAt, watched,
} from "./state.ts";

/**
 * The shell of the page: it joins the worker, the REST API and the cache to the one state. All
 * decisions are in `model/`; this file only carries values from one to the other.
 */
const SPARK_CANDLES = 48;
const ATTACH_TIMEOUT_MS = 1_500;
/** A reader who flips through the resolutions gets every one painted; the stream follows when a choice has been made. */
const SUBSCRIBE_DELAY_MS = 150;
const HIDDEN_FLUSH_MS = 250;
const MAX_HEADLINES = 20;

let port: StreamPort | null = null;
/** When the worker last said anything. */
export let workerHeardAt = 0;
/** The series that the worker was last asked for. */
let followed: ReadonlySet<SeriesKey> = new Set();
let version = 0;
let attachTimer = 0;
let subscribeTimer = 0;
let askAgainTimer = 0;
/** Calls off the flush that is due; null when none is. */
let cancelFlush: (() => void) | null = null;
/** Called with updates before they are merged, while the state still shows what was there. */
export const beforeUpdates: ((updates: readonly BucketUpdate[]) => void)[] = [];
const waiting: BucketUpdate[] = [];
/** Series that changed since they were last kept. */
export const dirty = new Set<SeriesKey>();
const fetching = new Map<SeriesKey, number>();

export const post = (message: PageMessage): void => port?.post(message);

/** Loads what reads and writes the cache; on a first visit there is nothing to read. */
export const loadCache = (): Promise<typeof import("./cache.ts")> => import("./cache.ts");

export function dispatch(input: SyncInput): void {
  sync.value = reduce(sync.value, input);
}

/** Joins all updates of one frame into one change of state: 500 a second must not mean 500 paints. */
function flushUpdates(): void {
  cancelFlush = null;
  const updates = waiting.splice(0);
  for (const look of beforeUpdates) look(updates);
  dispatch({ kind: "updates", updates });
  for (const { key } of updates) dirty.add(key);
}

function queueUpdates(updates: readonly BucketUpdate[]): void {
  waiting.push(...updates);
  if (cancelFlush !== null) return;
  // A hidden page gets no frames, so it uses a timer and is up to date when it is shown again.
  if (document.hidden) {
    const timer = setTimeout(flushUpdates, HIDDEN_FLUSH_MS);
    cancelFlush = () => clearTimeout(timer);
  } else {
    const frame = requestAnimationFrame(flushUpdates);
    cancelFlush = () => cancelAnimationFrame(frame);
  }
}

function followVisibility(): void {
  post({ type: "visibility", hidden: document.hidden });
  if (!document.hidden || cancelFlush === null) return;
  // The frame that was asked for would not come, and no timer is set while one is awaited.
  cancelFlush();
  flushUpdates();
}

function take(answer: SeriesAnswer, askedAtBreak: number, full: boolean): void {
  dispatch({ kind: "fetched", ...answer, askedAtBreak, full });
  if (full) dirty.add(answer.key);
  if (!mayConfirm(sync.value, answer.generation)) askAgain();
}

/**
 * Asks for everything once more when what the server has kept is gone: an answer may be older than a break, behind which
 * the stream does not go back, or of a process that has not heard of another generation (it does within a second).
 */
function askAgain(): void {
  clearTimeout(askAgainTimer);
  askAgainTimer = window.setTimeout(loadAnew, KEPT_FOR);
}

/** What a call that failed says; anything else is a fault of this page. */
function problemOf(error: unknown): string {
  if (error instanceof ApiError) return error.message;
  throw error;
}

function tell(key: string, problem: string | null): void {
  problems.value = { ...problems.value, [key]: problem };
}

export async function loadFull(key: SeriesKey): Promise<void> {
  const askedAtBreak = sync.value.breaks;
  if (fetching.get(key) === askedAtBreak) return;
  fetching.set(key, askedAtBreak);
  try {
    const answer = await fetchSeries(key);
    post({ type: "seed", cursor: answer.cursor });
    // Another answer may have been read before this one, and the stream begins behind both.
    if (!askAgainTimer) askAgain();
    take(answer, askedAtBreak, true);
    tell(key, null);
  } catch (error) {
    tell(key, problemOf(error));
  } finally {
    if (fetching.get(key) === askedAtBreak) fetching.delete(key);
  }
}

async function loadSparks(list: readonly Subject[], at: ResolutionId): Promise<void> {
  if (list.length === 0) return;
  const askedAtBreak = sync.value.breaks;
  try {
    for (const answer of await fetchSeveral(list, at, SPARK_CANDLES)) take(answer, askedAtBreak, false);
  } catch (error) {
    // The pill and the selected series already tell of a server that is away, so what it says here is let go.
    problemOf(error);
  }
}

/** The series that are shown as candles are fetched whole, the others as far as a sparkline needs; or only what lacks. */
export function loadAll(lacking = false): void {
  const at = resolution.value;
  const stateOf = (key: SeriesKey): SeriesState => seriesOf(sync.value, key);
  for (const key of candleKeys.value) if (!lacking || stateOf(key).stale) void loadFull(key);
  const isWanted = (key: SeriesKey): boolean => !candleKeys.value.includes(key) && !(lacking && isAnswered(stateOf(key)));
  void loadSparks(watched.value.filter((subject) => isWanted(seriesKey(subject, at))), at);
}

/** Answers that are on their way may be of before: all are asked for again. */
function loadAnew(): void {
  fetching.clear();
  loadAll();
}

/** Some come twice: a stream that goes back a little repeats them. */
function noteHeadlines(items: readonly NewItem[]): void {
  const known = new Map([...items, ...headlines.value].map((item) => [item.eventId + item.subject, item]));
  headlines.value = [...known.values()].sort((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, MAX_HEADLINES);
  const told = { ...toldAt.value };
  for (const { subject, at } of items) told[subject] = Math.max(told[subject] ?? 0, at ?? 0);
  toldAt.value = told;
}

function receive(message: WorkerMessage): void {
  workerHeardAt = Date.now();
  switch (message.type) {
    case "link":
      link.value = message.link;
      return;
    case "epoch":
      return dispatch({ kind: "resync", epoch: message.epoch });
    case "updates":
      return queueUpdates(message.updates);
    case "items":
      noteShown(message.items);
      noteHeadlines(message.items);
      return;
    case "resync":
      waiting.length = 0;
      dispatch({ kind: "resync", epoch: message.epoch });
      void loadSubjects();
      askAgain();
      return loadAll();
    case "attached":
      // What happened while there was no room for this page may have passed unseen.
      if (crowded.value && message.accepted) dispatch({ kind: "resync", epoch: sync.value.epoch });
      crowded.value = !message.accepted;
      if (message.version !== version) return;
      clearTimeout(attachTimer);
      // An answer asked for before the subscription may lack what came between the two.
      return loadAnew();
  }
}

/** Tells the worker what the page watches and fetches once it has answered, so that nothing falls between. */
function subscribe(): void {
  version += 1;
  const known = candleKeys.value.every((key) => {
    const { stale, fromCache } = seriesOf(sync.value, key);
    return !stale || fromCache;
  });
  clearTimeout(subscribeTimer);
  if (known) subscribeTimer = window.setTimeout(postSubscription, SUBSCRIBE_DELAY_MS);
  else postSubscription();
}

const shownSubjects = (): Subject[] =>
  [...new Set([...watched.value, ...candleKeys.value.map((key) => splitKey(key).subject)])];

function postSubscription(): void {
  clearTimeout(attachTimer);
  attachTimer = window.setTimeout(loadAll, ATTACH_TIMEOUT_MS);
  const at = resolution.value;
  const list = shownSubjects();
  followed = new Set(list.map((subject) => seriesKey(subject, at)));
  post({ type: "subscribe", subjects: list, resolutions: [at], version });
}

function watchSelection(): void {
  effect(() => {
    const at = resolution.value;
    const list = shownSubjects();
    if (list.length === 0) return;
    untracked(() => {
      problems.value = {};
      const keys = list.map((item) => seriesKey(item, at));
      dispatch({ kind: "doubt", keys: keys.filter((key) => !followed.has(key)) });
      for (const key of keys) {
        if (!visitedBefore || sync.value.series.has(key)) continue;
        void loadCode(loadCache).then((module) => module.paintFromCache(key));
      }
      subscribe();
    });
  });
}

export async function loadSubjects(): Promise<void> {
  try {
    subjects.value = await fetchSubjects();
    tell("", null);
  } catch (error) {
    tell("", problemOf(error));
  }
}

/** The worker did not start, or has died: the next try opens another. */
export function dropWorker(): void {
  clearTimeout(askAgainTimer);
  port?.close();
  port = null;
  link.value = { ...link.value, phase: "stopped", detail: "The background connection could not start." };
}

function connect(): void {
  workerHeardAt = Date.now();
  port = openStreamPort(receive, dropWorker);
}

export function retryNow(): void {
  if (port === null) {
    connect();
    postSubscription();
  } else post({ type: "retry" });
  void loadSubjects();
  loadAll();
}

export function start(): void {
  connect();
  setInterval(() => (now.value = ms(Date.now())), 1_000);
  document.addEventListener("visibilitychange", followVisibility);
  followVisibility();
  void loadSubjects();
  watchSelection();
}
