import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CandleChart } from "../view/chart.ts";
import { keepShown } from "./chart_wiring.ts";
import { Lazy } from "./lazy.tsx";
import { selectCandle } from "./navigation.ts";
import { failure, following, hovered, isLost, liveStart, nameOf, route, selected, selectedKey, selectedSeries, slots } from "./state.ts";

const loadSpoken = (): Promise<ComponentType> => import("./spoken.tsx").then((module) => module.Spoken);

let current: CandleChart | null = null;

export const goLive = (): void => {
  selectCandle(null);
  current?.goLive();
};

function mount(host: HTMLElement): () => void {
  const chart = new CandleChart(host, {
    hover: (start) => (hovered.value = start),
    select: selectCandle,
    following: (follow) => (following.value = follow),
  });
  current = chart;
  const stop = keepShown(chart, () => ({
    name: selectedKey.value ?? "", slots: slots.value, selectedStart: route.value.at, liveStart: liveStart.value,
  }));
  return () => {
    current = null;
    stop();
  };
}

/** The chart, with a sentence for each candle; the keys that lead along them are in `keyboard.ts`. */
export function ChartHost() {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => (host.current === null ? undefined : mount(host.current)), []);
  const subject = selected.value;
  return (
    <div
      class="chart-frame"
      tabIndex={0}
      role="group"
      aria-roledescription="candle chart"
      aria-label={`Sentiment candles of ${subject === null ? "no subject" : nameOf(subject)}. Arrow keys step through the candles.`}
    >
      <div class={`chart-host${isLost.value || failure.value !== null || (selectedSeries.value.stale && selectedSeries.value.fromCache) ? " stale" : ""}`} ref={host} />
      <p class="visually-hidden" role="status" data-testid="spoken">
        <Lazy load={loadSpoken} />
      </p>
    </div>
  );
}
