import "./styles/later.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import type { Bucket } from "../model/bucket.ts";
import { countText, momentText } from "../model/format.ts";
import { slotMsOf } from "../model/resolution.ts";
import { MAX_BUCKETS } from "../model/series.ts";
import type { SeriesKey } from "../model/subject.ts";
import { ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchRange, MOST_IN_RANGE } from "../store/range_api.ts";
import { dispatch } from "./controller.ts";
import { prefs, resolution, route, selectedKey, selectedSeries, sync } from "./state.ts";

/** So many places before the candle are asked for with it, so that it does not stand at the edge of the chart. */
const PLACES_BEFORE = 60;

/** What keeps the candle of the address from being shown. */
export interface Missing {
  readonly text: string;
  /** True when it is known that there is none. */
  readonly certain: boolean;
  /** From here on no candle of the series is missing; what lies before may not have been fetched. */
  readonly from: number;
  /** Asks anew, where that may help. */
  readonly retry: (() => void) | null;
}

type Found = "asking" | "none" | "too many" | ApiError;

interface Loaded {
  readonly key: SeriesKey | null;
  readonly buckets: readonly Bucket[];
  /** False while the newest candles are still awaited. */
  readonly ready: boolean;
  /** True when nothing lies before the first of them. */
  readonly whole: boolean;
  /** Null for the live one. */
  readonly generation: string | null;
  /** Takes up what was found and says what then keeps the candle away. */
  take(answer: SeriesAnswer): Found;
}

/** What was asked about is there no more, as for a moment around a promote. */
export const CHANGED = new ApiError(200, "The series has changed meanwhile.");

/**
 * Fetches the candle of the address when it is older than those that are loaded, with every candle between: what is left
 * out would look like a time without news. Says why it is not there, while it is not.
 */
export function useOlder({ key, buckets, ready, whole, generation, take }: Loaded): Missing {
  const found = useSignal<Found>("asking");
  const tries = useSignal(0);
  const { at } = route.value;
  const oldest = buckets[0]?.start ?? null;
  const isOlder = ready && !whole && at !== null && oldest !== null && at < oldest;
  const start = ms((at ?? 0) - PLACES_BEFORE * slotMsOf(resolution.value));
  useEffect(() => {
    if (!isOlder || key === null) return undefined;
    const abort = new AbortController();
    fetchRange(key, { start, end: oldest, generation }, abort.signal).then(
      (answer) => {
        if (abort.signal.aborted) return;
        found.value = answer === null ? "too many" : take(answer);
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        found.value = error;
      },
    );
    return () => {
      abort.abort();
      found.value = "asking";
    };
  }, [key, generation, at, isOlder, tries.value]);
  const state = isOlder ? found.value : "none";
  const begins = ready && (whole || oldest === null);
  const open = { certain: false, from: begins ? 0 : isOlder && state === "none" ? start : (oldest ?? Infinity), retry: null };
  if (!ready || at === null || state === "asking") return { ...open, text: "Loading this candle." };
  if (state === "none") return { ...open, certain: true, text: `No candle begins at ${momentText(at, prefs.value.zone)}.` };
  if (state === "too many") {
    return { ...open, text: `More than ${countText(MOST_IN_RANGE)} candles lie between this one and the newest. A coarser resolution reaches further back.` };
  }
  return { ...open, text: `This candle could not be loaded. ${state.message}`, retry: () => (tries.value += 1) };
}

/** The same for the series that is shown, which takes up what is found. */
export function useOlderSelected(): Missing {
  const { buckets, stale, generation, whole } = selectedSeries.value;
  const askedAtBreak = sync.peek().breaks;
  return useOlder({
    key: selectedKey.value,
    buckets,
    ready: !stale,
    // The oldest of so many may have been cut off.
    whole: whole && buckets.length < MAX_BUCKETS,
    generation: null,
    take: (answer) => {
      if (answer.generation !== generation) return CHANGED;
      if (selectedSeries.peek().buckets.length + answer.buckets.length > MAX_BUCKETS) return "too many";
      dispatch({ kind: "fetched", ...answer, askedAtBreak, full: false, whole: false });
      return "none";
    },
  });
}

export function MissingNote({ missing: { text, retry } }: { missing: Missing }) {
  return (
    <span role="status">
      {text}{" "}
      {retry !== null && (
        <button type="button" class="link-button" onClick={retry}>
          Try again
        </button>
      )}
    </span>
  );
}
