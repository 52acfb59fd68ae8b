import { effect } from "@preact/signals";
import { slotMsOf } from "../model/resolution.ts";
import { ms } from "../model/units.ts";
import type { CandleChart } from "../view/chart.ts";
import { followHands } from "../view/hands.ts";
import { hovered, resolution } from "./state.ts";

/** Keeps what the reader's hands chose of a chart: the places in sight, and the crosshair. Returns how to stop. */
export function keepReader(chart: CandleChart): () => void {
  const stops = [followHands(chart), keepCrosshair(chart.host)];
  return () => stops.forEach((stop) => stop());
}

/**
 * Keeps the crosshair when the resolution changes: at the window that holds the one before, and once the new candles are
 * there, at the one that a resting pointer is on. The library asks what is under the pointer only when that moves.
 */
function keepCrosshair(host: HTMLElement): () => void {
  let rest: MouseEvent | null = null;
  let at = hovered.peek();
  let shown = host.dataset["shown"];
  const moved = (event: MouseEvent): void => {
    rest = event;
    at = hovered.peek();
  };
  const left = (): void => {
    rest = null;
  };
  const look = (): void => {
    // A key may have moved the crosshair since, and then it is the key's.
    if (rest === null || hovered.peek() === null || hovered.peek() !== at) return;
    const { clientX, clientY, target } = rest;
    target?.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX, clientY }));
  };
  const observer = new MutationObserver(() => {
    if (shown === host.dataset["shown"]) return;
    shown = host.dataset["shown"];
    // The library shows the new places with its next frame.
    if (shown) requestAnimationFrame(() => requestAnimationFrame(look));
  });
  observer.observe(host, { attributeFilter: ["data-shown"] });
  host.addEventListener("mousemove", moved);
  host.addEventListener("mouseleave", left);
  const stop = effect(() => {
    const width = slotMsOf(resolution.value);
    const before = hovered.peek();
    if (before === null) return;
    const after = ms(before - (before % width));
    if (at === before) at = after;
    hovered.value = after;
  });
  return () => {
    stop();
    observer.disconnect();
    host.removeEventListener("mousemove", moved);
    host.removeEventListener("mouseleave", left);
  };
}
