import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import type { Bucket } from "../model/bucket.ts";
import { countText, momentText } from "../model/format.ts";
import { slotMsOf } from "../model/resolution.ts";
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
  /** False while the series begins after the candle, and may go on before. */
  readonly reaches: boolean;
  /** Asks anew, where that may help. */
  readonly retry: (() => void) | null;
}

interface Loaded {
  readonly key: SeriesKey | null;
  readonly buckets: readonly Bucket[];
  /** False while the newest candles are still awaited. */
  readonly ready: boolean;
  /** Null for the live one. */
  readonly generation: string | null;
  /** False when what was found is of another generation, as for a moment around a promote. */
  take(answer: SeriesAnswer): boolean;
}

/**
 * Fetches the candle of the address when it is older than those that are loaded, with every candle between: what is left
 * out would look like a time without news. Says why it is not there, while it is not.
 */
export function useOlder({ key, buckets, ready, generation, take }: Loaded): Missing {
  const found = useSignal<"asking" | "none" | "too many" | ApiError>("asking");
  const tries = useSignal(0);
  const { at } = route.value;
  const oldest = buckets[0]?.start ?? null;
  const isOlder = ready && at !== null && oldest !== null && at < oldest;
  useEffect(() => {
    if (!isOlder || key === null) return undefined;
    const abort = new AbortController();
    const start = ms(at - PLACES_BEFORE * slotMsOf(resolution.peek()));
    fetchRange(key, { start, end: oldest, generation }, abort.signal).then(
      (answer) => {
        if (abort.signal.aborted) return;
        if (answer === null) found.value = "too many";
        else found.value = take(answer) ? "none" : new ApiError(200, "Another generation goes live.");
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
  const open = { certain: false, reaches: state === "none", retry: null };
  if (!ready || at === null || state === "asking") return { ...open, text: "Loading this candle." };
  if (state === "none") return { ...open, certain: true, text: `No candle begins at ${momentText(at, prefs.value.zone)}.` };
  if (state === "too many") {
    return { ...open, text: `More than ${countText(MOST_IN_RANGE)} candles lie between this one and the newest. A coarser resolution reaches further back.` };
  }
  return { ...open, text: `This candle could not be loaded. ${state.message}`, retry: () => (tries.value += 1) };
}

/** The same for the series that is shown, which takes up what is found. */
export function useOlderSelected(): Missing {
  const { buckets, stale, generation } = selectedSeries.value;
  const askedAtBreak = sync.peek().breaks;
  return useOlder({
    key: selectedKey.value,
    buckets,
    ready: !stale,
    generation: null,
    take: (answer) => {
      const same = answer.generation === generation;
      if (same) dispatch({ kind: "fetched", ...answer, askedAtBreak, full: false });
      return same;
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
