import type { CandleChart } from "./chart.ts";

const STILL_MS = 150;

/**
 * Keeps what is in sight once it stands still after the reader's own hands have moved it: a flick rolls on after the
 * finger has left, and a drag may end anywhere. A switch of resolution changes no view that is kept. Returns how to stop.
 */
export function followHands(chart: CandleChart): () => void {
  let timer = 0;
  const settle = (before: number | null): void => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      const from = chart.keepInSight();
      if (from !== before) settle(from);
    }, STILL_MS);
  };
  const settled = (): void => settle(null);
  // A touch that goes on to scroll the page. One listener however often the chart is pressed: a mouse never ends so.
  const cancelled = (): void => window.removeEventListener("pointerup", settled);
  for (const name of ["wheel", "touchend", "dblclick"]) chart.host.addEventListener(name, settled, { passive: true });
  chart.host.addEventListener("pointerdown", ({ button }) => {
    if (button === 0) window.addEventListener("pointerup", settled, { once: true });
    window.addEventListener("pointercancel", cancelled, { once: true });
  });
  return () => clearTimeout(timer);
}
