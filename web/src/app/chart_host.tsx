import { effect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { slotMsOf } from "../model/resolution.ts";
import { CandleChart } from "../view/chart.ts";
import { followTheme } from "./chart_wiring.ts";
import { Lazy } from "./lazy.tsx";
import { selectCandle, stepCandle } from "./navigation.ts";
import {
  flags, following, hovered, liveStart, nameOf, prefs, resolution, route, selected, selectedKey, selectedSeries, slots,
} from "./state.ts";

const loadSpoken = (): Promise<ComponentType> => import("./spoken.tsx").then((module) => module.Spoken);

let current: CandleChart | null = null;

export const goLive = (): void => {
  selectCandle(null);
  current?.goLive();
};

function mount(host: HTMLElement): () => void {
  const chart = new CandleChart(host, {
    hover: (start) => (hovered.value = start),
    select: (start) => {
      if (selectedSeries.value.buckets.some((bucket) => bucket.start === start)) selectCandle(start);
    },
    view: () => undefined,
    following: (follow) => (following.value = follow),
  });
  current = chart;
  const stopShowing = effect(() => {
    chart.show({
      name: selectedKey.value ?? "",
      slots: slots.value,
      slotMs: slotMsOf(resolution.value),
      selectedStart: route.value.at,
      liveStart: liveStart.value,
      scale: route.value.scale,
      zone: prefs.value.zone,
      flags: flags.value,
    });
  });
  const stopStyling = followTheme(chart);
  return () => {
    stopShowing();
    stopStyling();
    current = null;
    chart.destroy();
  };
}

const STEPS: Record<string, number | "first" | "last"> = {
  ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: "first", End: "last",
};

function onKey(event: KeyboardEvent): void {
  const step = STEPS[event.key];
  if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const landed = stepCandle(step);
  if (landed !== null) current?.reveal(landed);
}

/** The chart, with a keyboard path to every candle and a sentence for each. */
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
      onKeyDown={onKey}
    >
      <div class={`chart-host${selectedSeries.value.stale && selectedSeries.value.fromCache ? " stale" : ""}`} ref={host} />
      <p class="visually-hidden" role="status" data-testid="spoken">
        <Lazy load={loadSpoken} />
      </p>
    </div>
  );
}
