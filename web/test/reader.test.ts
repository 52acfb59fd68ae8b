// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { keepReader } from "../src/app/reader.ts";
import { hovered, route } from "../src/app/state.ts";
import type { ResolutionId } from "../src/model/resolution.ts";
import type { Ms } from "../src/model/units.ts";
import type { CandleChart } from "../src/view/chart.ts";

const at = (text: string): Ms => Date.parse(`2026-03-02T${text}Z`) as Ms;
const frames: FrameRequestCallback[] = [];

let host: HTMLElement;
let asked: MouseEvent[];
let stop: () => void;

/** Candles of a resolution come into the chart, two frames pass. */
async function show(resolution: ResolutionId): Promise<void> {
  route.value = { ...route.value, resolution };
  host.dataset["shown"] = `AAPL@${resolution}`;
  await Promise.resolve();
  for (let turn = 0; turn < 2; turn += 1) frames.splice(0).forEach((frame) => frame(0));
}

/** The pointer comes to rest over a candle. */
function point(start: Ms): void {
  hovered.value = start;
  host.firstElementChild?.dispatchEvent(new MouseEvent("mousemove", { bubbles: true, clientX: 40, clientY: 30 }));
  asked = [];
}

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (frame: FrameRequestCallback) => frames.push(frame));
  hovered.value = null;
  route.value = { ...route.value, resolution: "10m" };
  host = document.createElement("div");
  host.append(document.createElement("canvas"));
  host.dataset["shown"] = "AAPL@10m";
  host.addEventListener("mousemove", (event) => asked.push(event));
  asked = [];
  stop = keepReader({ host, keepInSight: () => null } as unknown as CandleChart);
});
afterEach(() => {
  stop();
  vi.unstubAllGlobals();
});

describe("the crosshair after another resolution", () => {
  it("is at the window that holds the one before", async () => {
    hovered.value = at("14:50:00");
    await show("1h");
    expect(hovered.value).toBe(at("14:00:00"));
    await show("24h");
    expect(hovered.value).toBe(at("00:00:00"));
  });

  it("is asked for where the pointer rests, when the candles are there", async () => {
    point(at("14:50:00"));
    await show("1h");
    expect(asked.map(({ clientX, clientY }) => [clientX, clientY])).toEqual([[40, 30]]);
  });

  it("stays with a key that moved it since", async () => {
    point(at("14:50:00"));
    hovered.value = at("11:20:00");
    await show("1h");
    expect([hovered.value, asked]).toEqual([at("11:00:00"), []]);
  });

  it("stays away when the pointer has left, or a candle was chosen", async () => {
    point(at("14:50:00"));
    host.dispatchEvent(new MouseEvent("mouseleave"));
    await show("1h");
    point(at("14:00:00"));
    hovered.value = null;
    await show("3h");
    expect([hovered.value, asked]).toEqual([null, []]);
  });

  it("is no longer kept after the chart's end", async () => {
    point(at("14:50:00"));
    stop();
    await show("1h");
    expect([hovered.value, asked]).toEqual([at("14:50:00"), []]);
  });
});
