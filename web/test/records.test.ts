import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromDateInput, toDateInput } from "../src/model/date_input.ts";
import { coverageHeight, delayText, heights, niceCeiling, parseFacets, percentileText, scoreEdges, subjectFilter, windowTotal } from "../src/model/facets.ts";
import { facetsQuery, isFiltered, itemsQuery, toggleFilter, withFilters } from "../src/model/filter_queries.ts";
import { FILTER_NAMES, type FilterName, type Filters, listFilters, NO_FILTERS, parseFilters, readFilter } from "../src/model/filters.ts";
import { appendPage, parseFedRows, parseRecord, parseRecordPage, timeline } from "../src/model/record.ts";
import { csvField, recordCurl, recordsCsv, recordsCurl, recordsFileName, recordsJsonLines } from "../src/model/record_export.ts";
import { formatRoute, parseRoute, withoutStrayFilters } from "../src/model/route.ts";
import { parseSubject } from "../src/model/subject.ts";
import { formatIso, HOUR, type Ms, ms } from "../src/model/units.ts";

const NOW = ms(Date.parse("2025-12-21T09:40:00Z"));
const ITEM = {
  source_id: "finnhub#9f86d081884c7d65", ingested_at: "2025-12-21T09:39:10.000Z", source_type: "finnhub",
  source_url: "https://news.invalid/a", text_snippet: "words, and \"more\"", sentiment: "negative", score: 0.93, polarity: -0.8917,
  model_version: "m-1", scored_at: "2025-12-21T09:39:10.250Z", raw_key: "raw/x", metadata: { title: "=SUM(A1)", published_at: "2025-12-21T09:39:00.000Z", source_name: "Reuters", author: null },
  matched_tags: ["ai-regulation"], matched_tickers: ["AAPL"], sources: [{ article_id: "finnhub#9f86d081884c7d65", source: "finnhub" }, { article_id: "rss#1", source: "rss" }],
};
const RECORD = parseRecord(ITEM);
if (RECORD === null) throw new Error("the example is a record");

const VALUES: { readonly [Name in FilterName]: fc.Arbitrary<string> } = {
  // A hyphen before the class of a share is a point to the server.
  ticker: fc.stringMatching(/^[A-Z][A-Z0-9.-]{0,9}$/).filter((text) => readFilter("ticker", text) === text),
  tag: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,49}$/),
  label: fc.constantFrom("positive", "neutral", "negative"),
  source: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,39}$/),
  model: fc.string({ minLength: 1, maxLength: 60 }).filter((text) => text.trim() === text && text !== "" && !/[\ud800-\udfff]/.test(text)),
  score: fc.integer({ min: -10, max: 9 }).map(String),
  arrival: fc.constantFrom("10", "2000", "86400000", "longer"),
  scoring: fc.constantFrom("10", "2000", "86400000", "longer"),
  hours: fc.integer({ min: 1, max: 168 }).map(String),
  from: fc.integer({ min: 0, max: 4e12 }).map((at) => formatIso(ms(at))),
  to: fc.integer({ min: 0, max: 4e12 }).map((at) => formatIso(ms(at))),
};
const filtersOf: fc.Arbitrary<Filters> = fc.record(VALUES, { requiredKeys: [] });

describe("filters", () => {
  it("come back from the address as they went", () => {
    fc.assert(
      fc.property(filtersOf, fc.constantFrom("/records", "/analytics"), (filters, path) => {
        const route = { ...parseRoute(path, ""), filters };
        const address = formatRoute(route);
        const [back = "", search = ""] = address.split(/\?(.*)/s);
        expect(parseRoute(back, search).filters).toEqual(filters);
      }),
    );
  });

  it("are canonical or nothing", () => {
    expect(readFilter("ticker", " brk.b ")).toBe("BRK.B");
    expect(readFilter("tag", "#AI-Regulation")).toBe("ai-regulation");
    expect(readFilter("tag", "tag:chips")).toBe("chips");
    for (const [name, text] of [["ticker", "tag:x"], ["tag", "a b"], ["label", "good"], ["score", "10"], ["score", "1.5"], ["hours", "0"], ["hours", "1e2"], ["from", "2025-12-21T10:00"], ["source", "UPPER"], ["model", " "], ["arrival", "soon"]] as const) {
      expect(readFilter(name, text), `${name} ${text}`).toBeNull();
    }
    expect(parseFilters(new Map([["label", "good"], ["ticker", "aapl"], ["other", "x"]]))).toEqual({ ticker: "AAPL" });
  });

  it("belong to the pages that have them", () => {
    expect(parseRoute("/", "?label=negative").filters).toEqual(NO_FILTERS);
    const route = parseRoute("/records/finnhub%23a%2Fb", "?label=negative");
    expect([route.page, route.id, route.filters]).toEqual(["records", "finnhub#a/b", { label: "negative" }]);
    expect(formatRoute({ ...route, page: "grid", id: null })).toBe("/grid");
    expect(withoutStrayFilters({ ...route, page: "live" }).filters).toEqual(NO_FILTERS);
    expect(withoutStrayFilters(route)).toBe(route);
  });

  it("are taken back by a second click and leave the others alone", () => {
    fc.assert(
      fc.property(filtersOf, fc.constantFrom(...FILTER_NAMES), (filters, name) => {
        const value = fc.sample(VALUES[name], 1)[0] ?? "";
        const once = toggleFilter(withFilters(filters, { [name]: null }), name, value);
        expect(once[name]).toBe(value);
        expect(toggleFilter(once, name, value)).toEqual(withFilters(filters, { [name]: null }));
      }),
    );
    expect(isFiltered({ hours: "6" })).toBe(false);
    expect(isFiltered({ hours: "6", label: "neutral" })).toBe(true);
    expect(listFilters({ to: "b", ticker: "A" }).map(([name]) => name)).toEqual(["ticker", "to"]);
  });

  it("become the API's questions", () => {
    expect(itemsQuery({ ticker: "BRK.B", label: "negative", hours: "24", score: "3", arrival: "longer" }, NOW)).toBe(
      "ticker=BRK.B&sentiment=negative&score=3&arrival=longer&since=2025-12-20T09%3A40%3A00Z",
    );
    expect(itemsQuery({ hours: "1", from: "2025-12-21T09:00:00Z" }, NOW)).toBe("since=2025-12-21T09%3A00%3A00Z");
    expect(itemsQuery({ hours: "1", from: "2025-12-21T08:00:00.500Z", to: "2025-12-21T09:30:00Z" }, NOW)).toBe(
      "since=2025-12-21T08%3A40%3A00Z&until=2025-12-21T09%3A30%3A00Z",
    );
    expect(itemsQuery(NO_FILTERS, NOW)).toBe("");
    expect(facetsQuery({ score: "-4", model: "it's & so", from: "2025-12-21T09:00:00Z" }, 6)).toBe(
      "hours=6&model=it%27s%20%26%20so&score=-4&start=2025-12-21T09%3A00%3A00Z",
    );
  });
});

describe("date fields", () => {
  it("show the wall clock of the zone and read it back", () => {
    expect(toDateInput(NOW, "utc")).toBe("2025-12-21T09:40");
    expect(fromDateInput("2025-12-21T09:40", "utc")).toBe(NOW);
    fc.assert(
      fc.property(fc.integer({ min: 1_000_000, max: 34_000_000 }), (minute) => {
        const at = ms(minute * 60_000);
        expect(fromDateInput(toDateInput(at, "utc"), "utc")).toBe(at);
        const there = fromDateInput(toDateInput(at, "local"), "local") as Ms;
        // An hour that a clock shows twice is read as one of the two.
        expect(Math.abs(there - at) % HOUR === 0 && Math.abs(there - at) <= HOUR).toBe(true);
      }),
    );
    for (const text of ["", "2025-12-21", "tomorrow", "2025-99-99T00:00"]) expect(fromDateInput(text, "utc")).toBeNull();
  });
});

describe("records", () => {
  it("are read from what the API answers", () => {
    expect(RECORD.polarity).toBe(-8917);
    expect(RECORD.subjects).toEqual(["AAPL", "tag:ai-regulation"]);
    expect(RECORD.alsoTold).toEqual([{ id: "rss#1", source: "rss" }]);
    expect(parseRecord({ ...ITEM, source_url: "javascript:alert(1)" })?.url).toBeNull();
    expect(parseRecord({ ...ITEM, sentiment: "glad", polarity: "much", metadata: null })).toMatchObject({ label: null, polarity: null, title: "", publisher: "finnhub" });
    expect(parseRecord({})).toBeNull();
  });

  it("are paged without a repeated row", () => {
    const page = parseRecordPage({ items: [ITEM, { ...ITEM, source_id: "b" }, null], next_cursor: "c" });
    expect(page.nextCursor).toBe("c");
    expect(appendPage(page.records, parseRecordPage({ items: [ITEM, { ...ITEM, source_id: "z" }], next_cursor: null })).map(({ id }) => id)).toEqual([ITEM.source_id, "b", "z"]);
    expect(parseRecordPage(null)).toEqual({ records: [], nextCursor: null });
  });

  it("become CSV that any reader takes apart again", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const field = csvField(text);
        const inner = field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
        expect(inner.replace(/^'(?=[=+\-@\t\r])/, "")).toBe(text.replace(/^'(?=[=+\-@\t\r])/, ""));
        if (!field.startsWith('"')) expect(/[",\r\n]/.test(field)).toBe(false);
      }),
    );
    const [head = "", row = ""] = recordsCsv([RECORD]).split("\r\n");
    expect(head.startsWith("id,published_at,ingested_at,scored_at,source")).toBe(true);
    expect(row).toContain(",'=SUM(A1),");
    expect(row).toContain('"words, and ""more"""');
    expect(row).toContain(",-0.8917,m-1,AAPL tag:ai-regulation");
    expect(recordsJsonLines([RECORD])).toBe(`${JSON.stringify(ITEM)}\n`);
  });

  it("become commands and file names", () => {
    expect(recordsCurl("http://here", { tag: "chips", hours: "1" }, NOW)).toBe("curl 'http://here/api/v2/items?tag=chips&since=2025-12-21T08%3A40%3A00Z&limit=100'");
    expect(recordsCurl("http://here", {}, NOW)).toBe("curl 'http://here/api/v2/items?limit=100'");
    expect(recordCurl("http://here", "a#b'c")).toBe("curl 'http://here/api/v2/items/a%23b%27c'");
    expect(recordsFileName({ ticker: "BRK.B", label: "negative", hours: "24", from: "2025-12-21T09:00:00Z" }, "csv")).toBe("records-BRK.B-negative-24h-2025-12-21T09-00-00Z.csv");
  });

  const CANDLE = { start: "2025-12-21T09:39:00Z", end: "2025-12-21T09:40:00Z", open: 0.1, high: 0.2, low: -0.9, close: 0, sum: 0, count: 2, rev: 2, is_partial: false, last_updated: "2025-12-21T09:39:11.000Z", label_counts: {}, sources: [], model_versions: [] };
  const FED = { subjects: [{ subject: "AAPL", event_id: "x", counted: true, candles: [{ resolution: "1m", start: CANDLE.start, bucket: CANDLE, roles: ["low", "odd"] }, { resolution: "5m", start: "2025-12-21T09:35:00Z", bucket: null, roles: [] }, { resolution: "7m" }] }, { subject: "a b" }] };

  it("lead to the candles they fed", () => {
    const [row, ...more] = parseFedRows(FED);
    expect(more).toEqual([]);
    expect(row?.candles.map(({ resolution, roles }) => [resolution, roles])).toEqual([["1m", ["low"]], ["5m", []]]);
    expect(row?.candles[1]?.end).toBe(Date.parse("2025-12-21T09:40:00Z"));
  });

  it("have a way from publication to the screen", () => {
    const steps = timeline(RECORD, parseFedRows(FED), NOW);
    expect(steps.map(({ name, after }) => [name, after])).toEqual([["Published", null], ["Taken in", 10_000], ["Scored", 250], ["Stored", 750], ["Shown", 49_000]]);
    expect(steps[3]?.note).toContain("at the latest");
    const [row] = parseFedRows({ subjects: [{ ...FED.subjects[0], stored_at: "2025-12-21T09:39:10.300Z" }] });
    const told = timeline(RECORD, [row!], NOW);
    expect([told[3]?.after, told[3]?.note]).toEqual([50, "in its candles"]);
    const unknown = timeline({ ...RECORD, scoredAt: null }, [], NOW);
    expect(unknown.map(({ after }) => after)).toEqual([null, 10_000, null, null, 50_000]);
  });
});

describe("facets", () => {
  const delays = (counts: number[], p50: number | null = null) => ({ edges_ms: [10, 1_000, 86_400_000], counts, count: counts.reduce((a, b) => a + b, 0), p50_ms: p50, p95_ms: null });
  const WIRE = {
    resolution: "1h", total: 3, whole_from: null, windows: [{ start: "2025-12-21T09:00:00Z", end: "2025-12-21T10:00:00Z", positive: 1, neutral: 1, negative: 1 }, {}],
    labels: { positive: 1, neutral: 1, negative: 1 }, sources: [{ name: "rss", count: 3 }], models: [], tags: [], tickers: [], scores: [1, 2],
    arrival: delays([1, 0, 0, 2], 10), scoring: delays([0, 0, 0, 0]), coverage: [{ subject: "tag:chips", counts: [3] }, { subject: "??", counts: [] }],
  };

  it("are read from what the API answers", () => {
    const facets = parseFacets(WIRE);
    expect(facets?.windows).toHaveLength(1);
    expect(windowTotal(facets!.windows[0]!)).toBe(3);
    expect(facets?.coverage.map(({ subject }) => subject)).toEqual(["tag:chips"]);
    expect([percentileText(facets!.arrival, "p50"), percentileText(facets!.arrival, "p95"), percentileText(facets!.scoring, "p50")]).toEqual(["≤ 10 ms", "> 24 h", "—"]);
    expect([parseFacets({}), parseFacets(null), parseFacets({ ...WIRE, resolution: "7m" })]).toEqual([null, null, null]);
  });

  it("name their bins", () => {
    const { edges } = parseFacets(WIRE)!.arrival;
    expect(["10", "1000", "86400000", "longer"].map((name) => delayText(edges, name))).toEqual(["up to 10 ms", "10 ms – 1 s", "1 s – 24 h", "over 24 h"]);
    expect(delayText([], "2000")).toBe("up to 2 s");
    expect(scoreEdges("-10")).toEqual([-1, -0.9]);
    expect(scoreEdges("9")).toEqual([0.9, 1]);
    expect(subjectFilter(parseSubject("tag:chips")!)).toEqual({ name: "tag", value: "chips" });
    expect(subjectFilter(parseSubject("AAPL")!)).toEqual({ name: "ticker", value: "AAPL" });
  });

  it("are drawn on an axis that holds them and shows the smallest", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 64 }), (values) => {
        const ceiling = niceCeiling(Math.max(...values));
        expect(ceiling).toBeGreaterThanOrEqual(Math.max(...values));
        expect(/^([1-6]|8|15)0*$/.test(String(ceiling))).toBe(true);
        expect(ceiling).toBeLessThanOrEqual(Math.max(1, 2 * Math.max(...values)));
        heights(values, ceiling).forEach((height, i) => {
          expect(height).toBeLessThanOrEqual(1);
          expect(height > 0).toBe(values[i]! > 0);
        });
        const most = Math.max(...values);
        for (const value of values) {
          const side = coverageHeight(value, most);
          expect(side > 0).toBe(value > 0);
          expect(side).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
