import { useMemo } from "preact/hooks";
import type { Bucket } from "../model/bucket.ts";
import { candleSentence } from "../model/candle_sentence.ts";
import { flagsIn, focus, prefs, route, selectedKey, serverNow } from "./state.ts";

/**
 * A chosen candle of a series in words, as it was when it was chosen: one that is open changes with every article, and
 * whoever listens would never hear the end.
 */
export function useSentence(series: string | null, bucket: Bucket | null): string {
  const { zone } = prefs.value;
  const marks = bucket === null ? "" : flagsIn(bucket);
  const write = (): string => (bucket === null ? "" : `${candleSentence(bucket, zone, serverNow.peek())} ${marks}`);
  return useMemo(write, [series, bucket?.start, zone, marks]);
}

/** The selected candle in words; none while the newest one is followed, which would never be silent. */
export function Spoken() {
  return <>{useSentence(selectedKey.value, route.value.at === null ? null : focus.value)}</>;
}
