import { computed, effect, untracked } from "@preact/signals";
import { neighboursOf } from "../model/resolution.ts";
import { findRevisions, rememberRevisions } from "../model/revisions.ts";
import { seriesKey, splitKey } from "../model/subject.ts";
import { seriesOf } from "../model/sync.ts";
import { ms } from "../model/units.ts";
import { askedCache, beforeUpdates, dirty, dispatch, loadAll, loadFull, openCache } from "./controller.ts";
import { candleKeys, crowded, failure, link, resolution, revisions, selectedKey, sync, watched } from "./state.ts";
import { rememberVisit, visitedBefore } from "./visits.ts";

/**
 * What the page does beside showing candles, loaded once they are on their way: keeping series for the next visit,
 * fetching what is likely to be asked for next, forgetting what is not, and noticing what late news changed.
 */

/** A first visit may be short, so what it saw is kept soon. */
const FIRST_SAVE_MS = 1_500;
const SAVE_EVERY_MS = 5_000;
const LOOK_EVERY_MS = 10_000;
const MAX_SERIES_IN_MEMORY = 30;

async function save(): Promise<void> {
  const keys = [...dirty];
  dirty.clear();
  if (keys.length === 0) return;
  const cache = await openCache();
  rememberVisit();
  for (const key of keys) {
    const series = seriesOf(sync.value, key);
    if (series.generation === null || series.fromCache || series.buckets.length === 0) continue;
    await cache.write(key, series.generation, series.buckets, ms(Date.now()));
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
  for (const key of askedCache) if (!keep.has(key)) askedCache.delete(key);
  dispatch({ kind: "forget", keep });
}

/** Without a stream (too many series, or no worker at all) the page still asks for itself. */
function refetchWhenNeeded(): void {
  const blind = crowded.value || link.value.phase === "stopped" || failure.value !== null;
  if (blind && !document.hidden) loadAll();
}

export function startUpkeep(): void {
  beforeUpdates.push((updates) => {
    revisions.value = rememberRevisions(revisions.value, findRevisions(sync.value, updates));
  });
  if (visitedBefore) void openCache().then((cache) => cache.tidy(ms(Date.now())));
  else for (const at of [1, 2, 3]) setTimeout(() => void save(), at * FIRST_SAVE_MS);
  setInterval(() => void save(), SAVE_EVERY_MS);
  setInterval(() => {
    refetchWhenNeeded();
    forgetUnused();
  }, LOOK_EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) void save();
  });
  prefetchWhenIdle();
}
