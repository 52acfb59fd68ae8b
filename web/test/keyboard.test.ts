// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { listenForKeys } from "../src/app/keyboard.ts";
import { helpOpen, paletteOpen, prefs, route } from "../src/app/state.ts";
import type { Subject } from "../src/model/subject.ts";
import { press, visit } from "./page.ts";

vi.mock("../src/store/stream_port.ts", () => ({}));
vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

listenForKeys();
beforeEach(() => {
  prefs.value = { ...prefs.value, watched: ["AAPL", "MSFT", "TSLA"] as Subject[], keys: true };
  visit("/");
});

it("a key press without a key is none: Chrome tells of a picked suggestion so", () => {
  const faults: unknown[] = [];
  window.addEventListener("error", (event) => {
    event.preventDefault();
    faults.push(event.error);
  });
  document.dispatchEvent(new Event("keydown"));
  expect(faults).toEqual([]);
});

describe("j and k", () => {
  it.each([["AAPL", "MSFT", "TSLA"], ["TSLA", "AAPL", "MSFT"], ["NVDA", "AAPL", "TSLA"]])("lead from %s to %s and %s", (from, next, previous) => {
    for (const [key, to] of [["j", next], ["k", previous]] as const) {
      visit(`/?s=${from}`);
      press(document.body, key);
      expect(route.value.subject).toBe(to);
    }
  });
});

describe("keys of one character", () => {
  it("do nothing where they are switched off; the others go on", () => {
    prefs.value = { ...prefs.value, keys: false };
    for (const key of ["j", "4", "?", "g", "o", "f"]) press(document.body, key);
    expect([route.value, helpOpen.value]).toEqual([{ ...route.value, page: "live", subject: null, resolution: "1m", scale: "full" }, false]);
    press(document.body, "k", { ctrlKey: true });
    expect(paletteOpen.value).toBe(true);
    paletteOpen.value = false;
  });
});
