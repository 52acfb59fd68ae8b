import type { Bucket } from "./bucket.ts";
import { applyBuckets, lowerBound } from "./series.ts";
import type { BucketUpdate } from "./stream_event.ts";
import type { SeriesKey } from "./subject.ts";
import { ms } from "./units.ts";

/**
 * What the page knows about its series, and the only function that changes it. Events carry full
 * state, so the end result does not depend on what was lost, doubled or late on the way: either the
 * stream resumed exactly, or every series is marked stale and fetched again.
 */
export interface SeriesState {
  readonly buckets: readonly Bucket[];
  /** The generation of the last answer; null until one has been seen. */
  readonly generation: string | null;
  /** True until a full answer newer than the last break of the stream has been merged. */
  readonly stale: boolean;
  /** True when what is shown comes from the local cache, or from before a break of the stream: no answer has come since. */
  readonly fromCache: boolean;
  /**
   * Updates that wait for an answer. On top of an unconfirmed state they are all of them, and they alone survive when the
   * server then answers; else those of windows before the first that was answered, as others may lie between.
   */
  readonly unconfirmed: readonly Bucket[];
  /** True when nothing lay before the first bucket; where they are `MAX_BUCKETS`, the oldest may have been cut off since. */
  readonly whole: boolean;
}

export interface SyncState {
  /** The live generation as the stream has told it; null until it had to. */
  readonly epoch: string | null;
  /** Counts breaks of the stream. An answer asked for before the newest break does not make a series fresh. */
  readonly breaks: number;
  readonly series: ReadonlyMap<SeriesKey, SeriesState>;
}

export type SyncInput =
  | { readonly kind: "cached"; readonly key: SeriesKey; readonly generation: string; readonly buckets: readonly Bucket[] }
  | {
      readonly kind: "fetched";
      readonly key: SeriesKey;
      readonly generation: string;
      readonly buckets: readonly Bucket[];
      readonly askedAtBreak: number;
      /** False for a short answer (a sparkline): it adds buckets but does not make the series complete. */
      readonly full: boolean;
      /** True when nothing lies before its first bucket. */
      readonly whole?: boolean;
    }
  | { readonly kind: "updates"; readonly updates: readonly BucketUpdate[] }
  | { readonly kind: "resync"; readonly epoch: string | null }
  /** These may have changed unseen: the stream did not carry them. */
  | { readonly kind: "doubt"; readonly keys: readonly SeriesKey[] }
  | { readonly kind: "forget"; readonly keep: ReadonlySet<SeriesKey> };

export const EMPTY_SERIES: SeriesState = { buckets: [], generation: null, stale: true, fromCache: false, unconfirmed: [], whole: false };
export const INITIAL_SYNC: SyncState = { epoch: null, breaks: 0, series: new Map() };

export function seriesOf(state: SyncState, key: SeriesKey): SeriesState {
  return state.series.get(key) ?? EMPTY_SERIES;
}

/** Until the stream has named the live generation every answer may be of it. */
export const mayConfirm = (state: SyncState, generation: string): boolean =>
  state.epoch === null || state.epoch === generation;

/** Whether an answer, short or whole, has come since the newest break of the stream. */
export const isAnswered = (series: SeriesState): boolean => series.generation !== null && !series.fromCache;

function withSeries(state: SyncState, changes: Iterable<[SeriesKey, SeriesState]>): SyncState {
  const series = new Map(state.series);
  for (const [key, value] of changes) series.set(key, value);
  return { ...state, series };
}

/** From here on no window of the series is missing. */
const beginOf = ({ buckets, generation, whole }: SeriesState): number => (whole || generation === null ? 0 : (buckets[0]?.start ?? 0));

/** What the stream has brought since the newest break to a series that no answer has confirmed. */
const streamed = (series: SeriesState): readonly Bucket[] => (series.fromCache ? series.unconfirmed : series.buckets);

function fetched(state: SyncState, input: Extract<SyncInput, { kind: "fetched" }>): SyncState {
  // Processes of the server learn of another live generation one after the other; what a late one says is of the past.
  if (!mayConfirm(state, input.generation)) return state;
  const before = seriesOf(state, input.key);
  const outdated = input.askedAtBreak < state.breaks;
  // What was asked for before the newest break adds nothing to what was confirmed after it: it may be of another log.
  if (outdated && isAnswered(before)) return state;
  const replaced = before.generation !== null && before.generation !== input.generation;
  const fresh = input.full && !outdated;
  // Revisions of an unconfirmed state may be those of another log, and after its end windows may have passed unseen.
  const base = replaced || (before.fromCache && !outdated) ? EMPTY_SERIES : before;
  const waiting = replaced && !before.fromCache ? [] : before.unconfirmed;
  const known = applyBuckets(applyBuckets(base.buckets, waiting), input.buckets);
  const whole = base.whole || (!outdated && input.whole === true);
  const first = input.buckets[0]?.start ?? Infinity;
  const begin = whole ? 0 : base.generation === null ? first : Math.min(beginOf(base), first);
  const index = lowerBound(known, ms(begin));
  const after: SeriesState = {
    buckets: index > 0 ? known.slice(index) : known,
    generation: input.generation,
    stale: !fresh && (before.stale || replaced),
    fromCache: outdated,
    unconfirmed: outdated ? streamed(before) : known.slice(0, index),
    whole,
  };
  return withSeries(state, [[input.key, after]]);
}

function cached(state: SyncState, input: Extract<SyncInput, { kind: "cached" }>): SyncState {
  const before = seriesOf(state, input.key);
  // The cache may answer after the network did; what the server said stands.
  if (before.generation !== null) return state;
  const buckets = applyBuckets(before.buckets, input.buckets);
  const after = { ...EMPTY_SERIES, buckets, generation: input.generation, fromCache: true, unconfirmed: streamed(before) };
  return withSeries(state, [[input.key, after]]);
}

function updates(state: SyncState, list: readonly BucketUpdate[]): SyncState {
  const grouped = new Map<SeriesKey, Bucket[]>();
  for (const { key, bucket } of list) {
    let group = grouped.get(key);
    if (group === undefined) grouped.set(key, (group = []));
    group.push(bucket);
  }
  const changes: [SeriesKey, SeriesState][] = [];
  for (const [key, incoming] of grouped) {
    const before = seriesOf(state, key);
    const begin = beginOf(before);
    const buckets = applyBuckets(before.buckets, incoming.filter(({ start }) => start >= begin));
    // Revisions of two generations cannot be compared, so every update is kept until the server has confirmed one.
    const unconfirmed = applyBuckets(before.unconfirmed, incoming.filter(({ start }) => before.fromCache || start < begin));
    if (buckets === before.buckets && unconfirmed === before.unconfirmed) continue;
    changes.push([key, { ...before, buckets, unconfirmed }]);
  }
  return changes.length === 0 ? state : withSeries(state, changes);
}

/** Windows may have passed unseen: nothing so far is certain. */
const doubted = (series: SeriesState): SeriesState => ({ ...series, stale: true, fromCache: true, unconfirmed: [] });

function resync(state: SyncState, epoch: string | null): SyncState {
  const changed = state.epoch !== null && state.epoch !== epoch;
  const series = new Map<SeriesKey, SeriesState>();
  // Even with the same epoch it may be another log.
  const next = { epoch, breaks: state.breaks + 1, series };
  for (const [key, value] of state.series) {
    const isOther = value.generation !== null && !mayConfirm(next, value.generation);
    series.set(key, changed || isOther ? EMPTY_SERIES : doubted(value));
  }
  return next;
}

export function reduce(state: SyncState, input: SyncInput): SyncState {
  switch (input.kind) {
    case "cached":
      return cached(state, input);
    case "fetched":
      return fetched(state, input);
    case "updates":
      return updates(state, input.updates);
    case "resync":
      return resync(state, input.epoch);
    case "doubt":
      return withSeries(state, input.keys.filter((key) => state.series.has(key)).map((key) => [key, doubted(seriesOf(state, key))]));
    case "forget": {
      const series = new Map([...state.series].filter(([key]) => input.keep.has(key)));
      return { ...state, series };
    }
  }
}
