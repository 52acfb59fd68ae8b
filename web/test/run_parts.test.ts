// @vitest-environment jsdom
import { h } from "preact";
import { expect, it } from "vitest";
import { RunProgress } from "../src/app/run_parts.tsx";
import { latencyText } from "../src/model/format.ts";
import { parseRuns } from "../src/model/runs.ts";
import { ms } from "../src/model/units.ts";
import { show } from "./page.ts";

it.each([[29, 100, 29], [58, 100, 58], [7, 25, 28], [0, 0, 0]])("%i of %i units are %i %%", async (units_done, units_total, percent) => {
  const [run] = parseRuns({ runs: [{ id: "r1", units_done, units_total }] }).runs;
  const root = await show(() => h(RunProgress, { run: run! }));
  expect(root.textContent).toMatch(new RegExp(`^${percent} %`));
});

it.each([[949.4, "949 ms"], [999.6, "1 s"], [59_940, "59.9 s"], [59_960, "1 min"]])("%d ms are %s", (value, text) => {
  expect(latencyText(ms(value))).toBe(text);
});
