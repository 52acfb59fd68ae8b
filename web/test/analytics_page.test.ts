// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { AnalyticsPage } from "../src/app/analytics_page.tsx";
import { now, prefs, route } from "../src/app/state.ts";
import { formatIso, HOUR, ms, type Ms } from "../src/model/units.ts";
import { hide, settle, show, visit } from "./page.ts";

const NOW = ms(Date.parse("2025-12-21T12:10:00Z"));
const ago = (hours: number): Ms => ms(NOW - hours * HOUR);

const asked: number[] = [];

/** Answers as the API does for a span of whole hours, with one article in each. */
async function answer(url: string): Promise<Response> {
  const hours = Number(/hours=(\d+)/.exec(url)?.[1]);
  asked.push(hours);
  const first = Math.floor((NOW - hours * HOUR) / HOUR);
  const windows = Array.from({ length: hours + 1 }, (_, i) => {
    const [start, end] = [ms((first + i) * HOUR), ms((first + i + 1) * HOUR)].map(formatIso);
    return { start, end, positive: 1, neutral: 0, negative: 0 };
  });
  const delays = { edges_ms: [], counts: [], count: 0, p50_ms: null, p95_ms: null };
  const coverage = ["AAPL", "tag:ai"].map((subject) => ({ subject, counts: windows.map(() => 1) }));
  return Response.json({ coverage, resolution: "1h", total: hours, whole_from: null, windows, labels: {}, arrival: delays, scoring: delays });
}

/** What the page with this address asks for, in hours, and says. */
async function open(query: string): Promise<{ hours: number | undefined; text: string }> {
  visit(`/analytics${query}`);
  const { textContent } = await show(AnalyticsPage);
  return { hours: asked.at(-1), text: textContent ?? "" };
}

beforeEach(() => {
  hide();
  vi.stubGlobal("fetch", answer);
  prefs.value = { ...prefs.value, zone: "utc" };
  now.value = NOW;
});

describe("a chosen beginning", () => {
  it.each([
    ["within the span", "", 5, 24],
    ["in the first of its windows, which reach back a little further", "", 24.1, 24],
    ["before the span", "", 71.5, 72],
    ["before a chosen span", "&hours=6", 30, 30],
    ["within a chosen span", "&hours=168", 30, 168],
  ])("%s is counted from", async (_, span, hoursAgo, hours) => {
    const { hours: reached, text } = await open(`?from=${formatIso(ago(hoursAgo))}${span}`);
    expect(reached).toBe(hours);
    expect(text).not.toContain("counted from");
  });

  it("further back than the counts reach is told", async () => {
    const { hours, text } = await open(`?from=${formatIso(ago(240))}`);
    expect(hours).toBe(168);
    expect(text).toMatch(/do not reach back .*counted from Dec 14/);
  });
});

describe("a subject of the coverage, of which there are all whichever is chosen", () => {
  it.each([
    [".coverage-name:nth-of-type(2)", { tag: "ai" }],
    [".coverage-row:nth-child(2) .coverage-cell", { tag: "ai", from: formatIso(ago(24 + 1 / 6)), to: formatIso(ago(23 + 1 / 6)) }],
    [".coverage-name:nth-of-type(1)", {}],
  ])("takes the place of the one before: %s", async (place, filters) => {
    await open("?ticker=AAPL");
    document.querySelector<HTMLButtonElement>(place)?.click();
    await settle();
    expect(route.value.filters).toEqual(filters);
  });
});
