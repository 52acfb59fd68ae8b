import { effect } from "@preact/signals";
import type { CandleChart } from "../view/chart.ts";
import { prefs } from "./state.ts";

/** Keeps a chart's colours with the theme of the page; returns what ends it. */
export function followTheme(chart: CandleChart): () => void {
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
