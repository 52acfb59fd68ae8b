import { expect, it } from "vitest";
import { ms } from "../src/model/units.ts";
import { type Frame, paintCandles, paintCounts } from "../src/view/painters.ts";
import type { ChartTheme } from "../src/view/theme.ts";
import { bucketOf } from "./fake_server.ts";

/** As where the system chooses the colours: the band of a selection is no other than the page. */
const FORCED: ChartTheme = {
  background: "Canvas", muted: "CanvasText", grid: "Canvas", line: "CanvasText", zero: "CanvasText", accent: "Highlight",
  accentSoft: "Canvas", positive: "LinkText", neutral: "GrayText", negative: "CanvasText", fontFamily: "serif",
};

/** How many rectangles of a colour are drawn, as high as the pane. */
function linesOf(colour: string, paint: typeof paintCandles, selected: boolean): number {
  let lines = 0;
  const context = {
    fillStyle: "",
    fillRect(_x: number, y: number, _width: number, height: number): void {
      if (this.fillStyle === colour && y === 0 && height === 100) lines += 1;
    },
  };
  const frame = { context, pixelRatio: { x: 1, y: 1 }, height: 100, width: 100, barSpacing: 8, y: () => 50, x: () => 50 } as unknown as Frame;
  const bucket = bucketOf(0);
  paint(frame, [{ x: 50, bucket }], { theme: FORCED, selectedStart: selected ? bucket.start : ms(0), liveStart: null, flags: [] });
  return lines;
}

it.each([["candles", paintCandles], ["counts", paintCounts]])("marks what is selected with lines too, among %s", (_what, paint) => {
  expect([linesOf("Highlight", paint, true), linesOf("Highlight", paint, false)]).toEqual([2, 0]);
});
