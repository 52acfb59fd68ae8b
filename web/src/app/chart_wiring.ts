import { effect } from "@preact/signals";
import { slotMsOf } from "../model/resolution.ts";
import type { CandleChart, ChartState } from "../view/chart.ts";
import { loadCode } from "./code.ts";
import { flags, hovered, prefs, resolution, route } from "./state.ts";

/** Keeps a chart's colours with the theme of the page; returns what ends it. */
function followTheme(chart: CandleChart): () => void {
  const media = ["(prefers-color-scheme: dark)", "(forced-colors: active)"].map((query) => window.matchMedia(query));
  let frame = 0;
  const restyle = (): void => {
    // The theme attribute is set by another effect of the same change; the next frame sees it.
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => chart.restyle());
  };
  for (const list of media) list.addEventListener("change", restyle);
  const stop = effect(() => {
    void prefs.value.theme;
    restyle();
  });
  return () => {
    stop();
    cancelAnimationFrame(frame);
    for (const list of media) list.removeEventListener("change", restyle);
  };
}

const loadReader = (): Promise<typeof import("./reader.ts")> => import("./reader.ts");

/** Keeps the reader's view of a chart, and their crosshair; returns what ends it. */
export function followReader(chart: CandleChart): () => void {
  let stop: (() => void) | null = null;
  let ended = false;
  void loadCode(loadReader).then(({ keepReader }) => {
    if (!ended) stop = keepReader(chart);
  });
  return () => {
    ended = true;
    stop?.();
  };
}

/** Keeps a chart at what the page shows, in its theme; returns what ends both and the chart. */
export function keepShown(chart: CandleChart, own: () => Pick<ChartState, "name" | "slots" | "selectedStart" | "liveStart">): () => void {
  const stopShowing = effect(() =>
    chart.show({
      ...own(),
      slotMs: slotMsOf(resolution.value),
      scale: route.value.scale,
      zone: prefs.value.zone,
      flags: flags.value,
    }),
  );
  const stopStyling = followTheme(chart);
  const stopReading = followReader(chart);
  return () => {
    stopShowing();
    stopReading();
    stopStyling();
    chart.destroy();
    // The crosshair went with the chart; the next legend must not name its candle.
    hovered.value = null;
  };
}
