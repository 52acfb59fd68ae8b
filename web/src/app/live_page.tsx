import { computed } from "@preact/signals";
import type { ComponentType } from "preact";
import { Lazy } from "./lazy.tsx";
import { Stage } from "./stage.tsx";
import { failure, newest, selectedSeries } from "./state.ts";
import { WatchList } from "./watch_list.tsx";

const loadWhy = (): Promise<ComponentType> => import("./why_panel.tsx").then((module) => module.WhyPanel);

const emptyWhy = <aside class="why panel" aria-label="Why this candle" aria-busy="true" />;

/** The panel's code waits for the candles it explains, or for the news that there are none. */
const hasAnswer = computed(() => newest.value !== null || !selectedSeries.value.stale || failure.value !== null);

export function LivePage() {
  return (
    <main class="live" id="main" tabIndex={-1}>
      <WatchList />
      <Stage />
      {hasAnswer.value ? <Lazy load={loadWhy}>{emptyWhy}</Lazy> : emptyWhy}
    </main>
  );
}
