import { computed, effect, untracked } from "@preact/signals";
import type { Bucket } from "../model/bucket.ts";
import { QUIET_AFTER } from "../model/health.ts";
import { neighboursOf } from "../model/resolution.ts";
import { MAX_BUCKETS } from "../model/series.ts";
import { findRevisions, rememberRevisions } from "../model/revisions.ts";
import { seriesKey, splitKey } from "../model/subject.ts";
import { seriesOf } from "../model/sync.ts";
import { ms } from "../model/units.ts";
import { loadCode } from "./code.ts";
import { beforeUpdates, dirty, dispatch, dropWorker, loadAll, loadCache, loadFull, loadSubjects, post, retryNow, workerHeardAt } from "./controller.ts";
import { candleKeys, crowded, failure, link, resolution, revisions, selectedKey, subjects, sync, watched } from "./state.ts";
import { followArrivals } from "./arrival.ts";
import { followTitle } from "./title.ts";
import { rememberVisit, visitedBefore } from "./visits.ts";
import { followWatched } from "./watch_lists.ts";

/**
 * What the page does beside showing candles, loaded once they are on their way: keeping series for the next visit and
 * what is watched for the server, fetching what is likely to be asked for next, forgetting what is not, and noticing
 * what late news changed.
 */

/** A first visit may be short, so what it saw is kept soon. */
const FIRST_SAVE_MS = 1_500;
const SAVE_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 10_000;
/** Of so many looks one asks what there is to watch. */
const LOOKS_PER_LIST = 6;
const MAX_SERIES_IN_MEMORY = 30;
/** A worker that lives says something long before; only one that waits is silent until the wait is over. */
const WORKER_LIMIT_MS = 90_000;

/** The generation that the cache holds; what it has of another one belongs to a history that is gone. */
let keptGeneration: string | null = null;
let looks = 0;
/** When the worker that was asked whether it lives had last been heard. */
let askedAfter = 0;

/**
 * A row of the list is loaded as far as its line goes; what was kept of its beginning stays, where it reaches that far.
 * What both have is the server's: what is kept may be of another log.
 */
function beginningOf(kept: readonly Bucket[], buckets: readonly Bucket[]): readonly Bucket[] {
  const first = buckets[0]?.start ?? ms(0);
  return (kept.at(-1)?.start ?? ms(0)) < first ? [] : kept.filter(({ start }) => start < first);
}

async function save(): Promise<void> {
  const keys = [...dirty];
  dirty.clear();
  if (keys.length === 0) return;
  const { cache } = await loadCode(loadCache);
  rememberVisit();
  for (const key of keys) {
    const series = seriesOf(sync.value, key);
    if (series.generation === null || series.fromCache || series.buckets.length === 0) continue;
    if (series.generation !== keptGeneration) await cache.keepOnly((keptGeneration = series.generation));
    const kept = series.stale ? await cache.read(key) : null;
    const before = kept?.generation === series.generation ? beginningOf(kept.buckets, series.buckets) : [];
    await cache.write(key, series.generation, [...before, ...series.buckets].slice(-MAX_BUCKETS), ms(Date.now()));
  }
}

/** While the reader looks at one resolution, its neighbours are fetched into memory and cache. */
function prefetchWhenIdle(): void {
  const idle = window.requestIdleCallback ?? ((run: () => void) => window.setTimeout(run, 1_000));
  // The key alone, so that a neighbour which the server refuses is not asked for again with every update.
  const shown = computed(() => {
    const key = selectedKey.value;
    return key === null || seriesOf(sync.value, key).stale ? null : key;
  });
  effect(() => {
    const key = shown.value;
    if (key === null) return;
    const { subject } = splitKey(key);
    const next = neighboursOf(untracked(() => resolution.value)).map((at) => seriesKey(subject, at));
    idle(() => {
      for (const neighbour of next) if (!sync.value.series.has(neighbour)) void loadFull(neighbour);
    });
  });
}

function forgetUnused(): void {
  const { series } = sync.value;
  if (series.size <= MAX_SERIES_IN_MEMORY) return;
  const inUse = watched.value.map((subject) => seriesKey(subject, resolution.value));
  const newest = [...series.keys()].slice(-MAX_SERIES_IN_MEMORY / 2);
  const keep = new Set([...inUse, ...newest, ...candleKeys.value]);
  dispatch({ kind: "forget", keep });
}

/** Asks a worker that is silent for too long; one that has not answered by the next look is dead, and replaced. */
function lookAfterWorker(): void {
  const { phase, retryAt } = link.value;
  if (phase === "stopped" || Date.now() - Math.max(retryAt ?? 0, workerHeardAt) < WORKER_LIMIT_MS) return;
  if (askedAfter === workerHeardAt) {
    dropWorker();
    retryNow();
  } else {
    askedAfter = workerHeardAt;
    post({ type: "retry" });
  }
}

/** Without a stream (no room in it, no network, no worker at all) the page asks for itself; else for what was refused. */
function refetchWhenNeeded(): void {
  const { phase, heardAt } = link.value;
  const isAlone = phase === "stopped" || phase === "offline";
  // Nobody else tells any more which generation is live, so the answers do.
  if (isAlone) sync.value = { ...sync.value, epoch: null };
  const quiet = (phase === "open" || phase === "polling") && heardAt !== null ? Date.now() - heardAt : 0;
  loadAll(!(isAlone || crowded.value || failure.value !== null || quiet > QUIET_AFTER));
  looks += 1;
  if (looks % LOOKS_PER_LIST === 0 || !subjects.value?.subjects.length) void loadSubjects();
}

export function startUpkeep(): void {
  beforeUpdates.push((updates) => {
    revisions.value = rememberRevisions(revisions.value, findRevisions(sync.value, updates));
  });
  if (visitedBefore) void loadCode(loadCache).then(({ cache }) => cache.tidy(ms(Date.now())));
  else for (const at of [1, 2, 3]) setTimeout(() => void save(), at * FIRST_SAVE_MS);
  setInterval(() => void save(), SAVE_EVERY_MS);
  setInterval(() => {
    if (!document.hidden) {
      refetchWhenNeeded();
      lookAfterWorker();
    }
    forgetUnused();
  }, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) void save();
    // A machine that slept may have lost the stream without knowing; one that is heard of is left alone.
    else if (link.value.phase === "open") post({ type: "retry" });
  });
  for (const name of ["online", "offline"]) {
    window.addEventListener(name, () => post({ type: "network", online: navigator.onLine }));
  }
  window.addEventListener("pagehide", (event) => {
    if (!event.persisted) post({ type: "leave" });
  });
  prefetchWhenIdle();
  followWatched();
  followTitle();
  followArrivals();
  void loadCode(() => import("./swaps.ts")).then((module) => module.followSwaps());
  void loadCode(() => import("./offline_shell.ts")).then((module) => module.keepShell());
}
