// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { h } from "preact";
import { beforeEach, describe, expect, it } from "vitest";
import { CoverageMap } from "../src/app/coverage_map.tsx";
import { Plot } from "../src/app/plot.tsx";
import type { Subject } from "../src/model/subject.ts";
import { type Ms, ms } from "../src/model/units.ts";
import { hide, press, settle, show } from "./page.ts";

const MINUTE = 60_000;
/** The first of the ten windows that are shown. */
const first = signal(0);
const starts = (): Ms[] => [...Array(10).keys()].map((i) => ms((first.value + i) * MINUTE));
const unused = (): void => undefined;

const plot = () =>
  h(Plot, {
    label: "Articles", ceiling: 1, ticks: [], chosen: () => false, onPick: unused,
    columns: starts().map((start) => ({ key: String(start), text: `at ${start / MINUTE}`, parts: [] })),
  });

/** When the windows have moved on there is one subject more. */
const map = () => {
  const subjects = first.value === 0 ? ["AAPL"] : ["MSFT", "AAPL"];
  const rows = subjects.map((subject) => ({ subject: subject as Subject, counts: Array(10).fill(1) as number[] }));
  const windows = starts().map((start) => ({ start, end: ms(start + MINUTE) }));
  return h(CoverageMap, { rows, windows, filters: {}, ticks: [], onSubject: unused, onCell: unused, onPoint: unused } as never);
};

const focused = (): string => document.activeElement?.getAttribute("aria-label") ?? "";

beforeEach(() => {
  hide();
  first.value = 0;
});

describe("the arrow keys", () => {
  it("go on from the column in focus when the windows have moved on", async () => {
    const root = await show(plot);
    root.querySelectorAll<HTMLElement>(".plot-hit")[5]?.focus();
    expect(focused()).toBe("at 5");
    first.value = 2;
    await settle();
    expect(focused()).toBe("at 5");
    press(document.activeElement ?? root, "ArrowLeft");
    expect(focused()).toBe("at 4");
    first.value = 50;
    await settle();
    expect(root.querySelector(".plot-hit[tabindex='0']")?.getAttribute("aria-label")).toBe("at 59");
  });

  it("go on from the place in focus when the windows have moved on and a row has come above", async () => {
    const root = await show(map);
    root.querySelectorAll<HTMLElement>(".coverage-row")[0]?.querySelectorAll<HTMLElement>(".coverage-cell")[5]?.focus();
    const before = focused();
    expect(before).toMatch(/^AAPL/);
    first.value = 2;
    await settle();
    press(document.activeElement ?? root, "ArrowUp");
    expect(focused()).toBe(before.replace("AAPL", "MSFT"));
  });
});
