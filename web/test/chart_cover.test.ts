// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ChartCover } from "../src/app/chart_cover.tsx";
import { prefs, problems, subjects, sync } from "../src/app/state.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { bucketOf } from "./fake_server.ts";
import { settle, show, visit } from "./page.ts";

vi.mock("../src/store/stream_port.ts", () => ({}));
// What explains an empty chart is fetched when the chart is shown first.
await import("../src/app/chart_notice.tsx");

const KEY = seriesKey("AAPL" as Subject, "1m");
const skeletons = (root: Element): number => root.querySelectorAll(".cover-skeleton").length;

beforeEach(() => {
  sync.value = INITIAL_SYNC;
  problems.value = {};
  subjects.value = null;
  prefs.value = { ...prefs.value, watched: null };
  visit("/");
});

describe("what lies over the chart", () => {
  it("is an empty chart, until it is known that there is nothing", async () => {
    const root = await show(ChartCover);
    expect(skeletons(root)).toBe(1);
    subjects.value = { subjects: [], demoNote: null };
    await settle();
    expect([skeletons(root), root.querySelector("h2")?.textContent]).toEqual([0, "No scored news yet"]);
  });

  it("is the reason why there are no candles, spoken, with a way to try again", async () => {
    visit("/?s=AAPL");
    const root = await show(ChartCover);
    expect(skeletons(root)).toBe(1);
    problems.value = { [KEY]: "The server cannot be reached." };
    await settle();
    expect(root.querySelector('[role="alert"]')?.textContent).toContain("The server cannot be reached.");
    expect(root.querySelector("button")?.textContent).toBe("Try again");
  });

  it("is nothing over candles, or a doubt", async () => {
    visit("/?s=AAPL");
    const buckets = [bucketOf(0)];
    sync.value = reduce(sync.value, { kind: "fetched", key: KEY, generation: "g1", buckets, askedAtBreak: 0, full: true });
    const root = await show(ChartCover);
    expect(root.textContent).toBe("");
    problems.value = { [KEY]: "The store is busy." };
    await settle();
    expect(root.querySelector(".notice")?.textContent).toContain("Showing the last known candles. The store is busy.");
  });
});
