import { effect, untracked } from "@preact/signals";
import type { SeriesAnswer } from "../model/api_types.ts";
import { positionIn } from "../model/cursor.ts";
import type { WorkerMessage } from "../model/protocol.ts";
import type { ResolutionId } from "../model/resolution.ts";
import type { BucketUpdate } from "../model/stream_event.ts";
import { seriesKey, type SeriesKey, splitKey, type Subject } from "../model/subject.ts";
import { reduce, seriesOf, type SyncInput } from "../model/sync.ts";
import { ms } from "../model/units.ts";
import { ApiError, fetchSeries, fetchSeveral, fetchSubjects } from "../store/api.ts";
import type { SeriesCache } from "../store/cache.ts";
import { openStreamPort, type StreamPort } from "../store/stream_port.ts";
import { loadCode } from "./code.ts";
import { noteShown } from "./shown.ts";
import { visitedBefore } from "./visits.ts";
import { candleKeys, crowded, failure, headlines, link, now, resolution, selectedKey, serverNow, subjects, sync, watched } from "./state.ts";

/**
 * The shell of the page: it joins the worker, the REST API and the cache to the one state. All
 * decisions are in `model/`; this file only carries values from one to the other.
 */
const SPARK_CANDLES = 48;
const ATTACH_TIMEOUT_MS = 1_500;
const REFETCH_MS = 10_000;
/** A reader who flips through the resolutions gets every one painted; the stream follows when a choice has been made. */
const SUBSCRIBE_DELAY_MS = 150;
const HIDDEN_FLUSH_MS = 250;
const MAX_HEADLINES = 20;

let port: StreamPort | null = null;
let opened: Promise<SeriesCache> | null = null;
let version = 0;
let attachTimer = 0;
let subscribeTimer = 0;
/** Calls off the flush that is due; null when none is. */
let cancelFlush: (() => void) | null = null;
/** The generation of the newest answer; another one means that the cache holds a history that is gone. */
let liveGeneration: string | null = null;
/** Called with updates before they are merged, while the state still shows what was there. */
export const beforeUpdates: ((updates: readonly BucketUpdate[]) => void)[] = [];
const waiting: BucketUpdate[] = [];
/** Series that changed since they were last kept. */
export const dirty = new Set<SeriesKey>();
export const askedCache = new Set<SeriesKey>();
const fetching = new Map<SeriesKey, number>();

export function openCache(): Promise<SeriesCache> {
  opened ??= loadCode(() => import("../store/cache.ts")).then((module) => new module.SeriesCache());
  return opened;
}

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
  port?.post({ type: "visibility", hidden: document.hidden });
  if (!document.hidden || cancelFlush === null) return;
  // The frame that was asked for would not come, and no timer is set while one is awaited.
  cancelFlush();
  flushUpdates();
}

function take(answer: SeriesAnswer, askedAtBreak: number, full: boolean): void {
  const { key, generation, buckets } = answer;
  if (liveGeneration !== null && generation !== liveGeneration) void openCache().then((cache) => cache.keepOnly(generation));
  liveGeneration = generation;
  dispatch({ kind: "fetched", key, generation, buckets, askedAtBreak, full });
  if (full) dirty.add(key);
}

export async function loadFull(key: SeriesKey): Promise<void> {
  const askedAtBreak = sync.value.breaks;
  if (fetching.get(key) === askedAtBreak) return;
  fetching.set(key, askedAtBreak);
  try {
    const answer = await fetchSeries(key);
    const { cursor, generation } = answer;
    port?.post({ type: "seed", cursor: cursor === null ? null : positionIn(generation, cursor) });
    take(answer, askedAtBreak, true);
    if (key === selectedKey.value) failure.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (key === selectedKey.value) failure.value = error.message;
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
    // The pill and the selected series already tell of a server that is away; a sparkline may wait.
    if (!(error instanceof ApiError)) throw error;
  }
}

/** The series that are shown as candles are fetched whole, the others as far as a sparkline needs. */
export function loadAll(): void {
  const at = resolution.value;
  const whole = new Set(candleKeys.value);
  for (const key of whole) void loadFull(key);
  void loadSparks(watched.value.filter((subject) => !whole.has(seriesKey(subject, at))), at);
}

async function paintFromCache(key: SeriesKey): Promise<void> {
  if (!visitedBefore || askedCache.has(key)) return;
  askedCache.add(key);
  const found = await (await openCache()).read(key);
  if (found !== null) dispatch({ kind: "cached", key, generation: found.generation, buckets: found.buckets });
}

function receive(message: WorkerMessage): void {
  switch (message.type) {
    case "link":
      link.value = message.link;
      return;
    case "updates":
      return queueUpdates(message.updates);
    case "items":
      noteShown(message.items, serverNow.peek());
      headlines.value = [...message.items, ...headlines.value].sort((a, b) => (b.at ?? 0) - (a.at ?? 0)).slice(0, MAX_HEADLINES);
      return;
    case "resync":
      waiting.length = 0;
      dispatch({ kind: "resync", epoch: message.epoch });
      return loadAll();
    case "attached":
      crowded.value = !message.accepted;
      if (message.version !== version) return;
      clearTimeout(attachTimer);
      // An answer asked for before the subscription may lack what came between the two.
      fetching.clear();
      return loadAll();
  }
}

/** Tells the worker what the page watches and fetches once it has answered, so that nothing falls between. */
function subscribe(list: readonly Subject[], at: ResolutionId): void {
  version += 1;
  const known = candleKeys.value.every((key) => !seriesOf(sync.value, key).stale);
  clearTimeout(subscribeTimer);
  if (known) subscribeTimer = window.setTimeout(() => postSubscription(list, at), SUBSCRIBE_DELAY_MS);
  else postSubscription(list, at);
}

function postSubscription(list: readonly Subject[], at: ResolutionId): void {
  clearTimeout(attachTimer);
  attachTimer = window.setTimeout(loadAll, ATTACH_TIMEOUT_MS);
  port?.post({ type: "subscribe", subjects: list, resolutions: [at], version });
}

function watchSelection(): void {
  effect(() => {
    const at = resolution.value;
    const list = [...new Set([...watched.value, ...candleKeys.value.map((key) => splitKey(key).subject)])];
    if (list.length === 0) return;
    untracked(() => {
      failure.value = null;
      for (const item of list) {
        const itemKey = seriesKey(item, at);
        if (!sync.value.series.has(itemKey)) void paintFromCache(itemKey);
      }
      subscribe(list, at);
    });
  });
}

async function loadSubjects(): Promise<void> {
  try {
    subjects.value = await fetchSubjects();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failure.value = error.message;
  }
}

export function retryNow(): void {
  port?.post({ type: "retry" });
  if (subjects.value === null) void loadSubjects();
  loadAll();
}

export function start(): void {
  const broken = (): void => {
    link.value = { ...link.value, phase: "stopped", detail: "The background connection of this page could not start." };
  };
  port = openStreamPort(receive, broken);
  setInterval(() => (now.value = ms(Date.now())), 1_000);
  setInterval(() => {
    if (subjects.value === null) void loadSubjects();
  }, REFETCH_MS);
  document.addEventListener("visibilitychange", followVisibility);
  for (const name of ["online", "offline"]) {
    window.addEventListener(name, () => port?.post({ type: "network", online: navigator.onLine }));
  }
  window.addEventListener("pagehide", (event) => {
    if (!event.persisted) port?.close();
  });
  void loadSubjects();
  watchSelection();
}
