import { useMemo } from "preact/hooks";
import { type Bucket, isLive } from "../model/bucket.ts";
import { candleSentence } from "../model/candle_sentence.ts";
import type { SeriesKey } from "../model/subject.ts";
import { EMPTY_SERIES, seriesOf } from "../model/sync.ts";
import { flagsIn, focus, prefs, route, selectedKey, serverNow, sync } from "./state.ts";

/**
 * A chosen candle of a series in words. One that is open stays as it was when it was chosen: it changes with every
 * article, and whoever listens would never hear the end.
 */
export function useSentence(series: SeriesKey | null, bucket: Bucket | null): string {
  const { zone } = prefs.value;
  const marks = bucket === null ? "" : flagsIn(bucket);
  const write = (): string => (bucket === null ? "" : `${candleSentence(bucket, zone, serverNow.peek())} ${marks}`);
  const { generation, fromCache } = series === null ? EMPTY_SERIES : seriesOf(sync.value, series);
  const isOpen = bucket !== null && isLive(bucket, serverNow.value);
  return useMemo(write, [series, generation, fromCache, isOpen ? bucket.start : bucket, isOpen, zone, marks]);
}

/** The selected candle in words; none while the newest one is followed, which would never be silent. */
export function Spoken() {
  return <>{useSentence(selectedKey.value, route.value.at === null ? null : focus.value)}</>;
}
