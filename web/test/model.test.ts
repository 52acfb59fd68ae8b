import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoff, BACKOFF_CAP, retryAfter } from "../src/model/backoff.ts";
import { isNewer, LABELS, parseBucket } from "../src/model/bucket.ts";
import { candleSentence } from "../src/model/candle_sentence.ts";
import { isRevised, labelMark } from "../src/model/candle_text.ts";
import { parseArticles } from "../src/model/article.ts";
import { parseSubjects } from "../src/model/api_types.ts";
import { fileName, toCsv, toCurl, toJsonLines } from "../src/model/export.ts";
import { pill } from "../src/model/health.ts";
import { INITIAL_LINK } from "../src/model/protocol.ts";
import { neighboursOf, RESOLUTIONS } from "../src/model/resolution.ts";
import { formatRoute, parseRoute } from "../src/model/route.ts";
import { applyBuckets, bucketStarting, MAX_BUCKETS } from "../src/model/series.ts";
import { changedTail, MAX_SLOTS, toSlots } from "../src/model/slots.ts";
import { parseSubject } from "../src/model/subject.ts";
import { type E4, formatIso, HOUR, ms, parseIso } from "../src/model/units.ts";
import { barsFor, COMFORTABLE_BAR, indexOfTime, MAX_BARS, MIN_BARS, timeOfIndex } from "../src/model/viewport.ts";
import { bucketOf } from "./fake_server.ts";

const WIRE = {
  start: "2025-12-21T10:35:00Z", end: "2025-12-21T10:36:00Z", open: 0.1, high: 0.7, low: -0.3, close: 0.2999,
  sum: 0.8, count: 4, label_counts: { positive: 2, neutral: 1, negative: 1 }, sources: ["rss", "finnhub"],
  model_versions: ["m"], rev: 3, is_partial: false, last_updated: "2025-12-21T10:36:01.5Z",
};

describe("bucket", () => {
  it("keeps scores as the integers they came from", () => {
    const bucket = parseBucket(WIRE);
    expect(bucket?.close).toBe(2999);
    expect(bucket?.high).toBe(7000);
    expect(bucket?.sources).toEqual(["finnhub", "rss"]);
  });

  it.each([
    ["no start", { ...WIRE, start: undefined }],
    ["a local time", { ...WIRE, start: "2025-12-21T10:35:00" }],
    ["an end before the start", { ...WIRE, end: "2025-12-21T10:34:00Z" }],
    ["not a number", { ...WIRE, close: Number.NaN }],
    ["null", null],
  ])("refuses %s", (_name, wire) => expect(parseBucket(wire)).toBeNull());

  it("orders states of one window by revision, then final over partial", () => {
    expect(isNewer(bucketOf(0, { rev: 2 }), bucketOf(0, { rev: 1 }))).toBe(true);
    expect(isNewer(bucketOf(0, { rev: 1 }), bucketOf(0, { rev: 2 }))).toBe(false);
    expect(isNewer(bucketOf(0, { isPartial: false }), bucketOf(0, { isPartial: true }))).toBe(true);
    expect(isNewer(bucketOf(0, { isPartial: true }), bucketOf(0, { isPartial: false }))).toBe(false);
    expect(isNewer(bucketOf(0), bucketOf(0))).toBe(false);
  });

  it("calls a candle revised only when it changed after it was final", () => {
    const end = bucketOf(0).end;
    expect(isRevised(bucketOf(0, { rev: 2, lastUpdated: ms(end + 119_000) }))).toBe(false);
    expect(isRevised(bucketOf(0, { rev: 2, lastUpdated: ms(end + 121_000) }))).toBe(true);
    expect(isRevised(bucketOf(0, { rev: 1, lastUpdated: ms(end + 500_000) }))).toBe(false);
  });

  it("says everything a candle shows in one sentence", () => {
    const text = candleSentence(bucketOf(0, { close: 2500 as E4 }), "utc", ms(0));
    expect(text).toContain("close +0.25");
    expect(text).toContain("1 article: 0 positive, 1 neutral, 0 negative");
    expect(text).toContain("low evidence");
    const { start } = bucketOf(0);
    const isOpen = (at: number): boolean => candleSentence(bucketOf(0), "utc", ms(start + at)).includes("still open");
    expect([-1, 0, 59_999, 60_000].map(isOpen)).toEqual([false, true, true, false]);
  });
});

describe("series", () => {
  it("stays ascending and bounded", () => {
    const many = Array.from({ length: MAX_BUCKETS + 10 }, (_, i) => bucketOf((i * 7_919) % (MAX_BUCKETS + 10)));
    const buckets = applyBuckets([], many);
    expect(buckets.length).toBe(MAX_BUCKETS);
    expect(buckets.every((bucket, i) => i === 0 || (buckets[i - 1]?.start ?? 0) < bucket.start)).toBe(true);
    expect(buckets[0]?.start).toBe(bucketOf(10).start);
  });

  it("takes what is newer, and is the same when nothing is", () => {
    const base = applyBuckets([], [bucketOf(3), bucketOf(1)]);
    const revised = bucketOf(3, { rev: 2 });
    expect(applyBuckets(base, [revised])).toEqual([bucketOf(1), revised]);
    expect(applyBuckets(base, [bucketOf(2)])).toEqual([bucketOf(1), bucketOf(2), bucketOf(3)]);
    expect(applyBuckets(base, [bucketOf(1)])).toBe(base);
    expect(applyBuckets([bucketOf(1), revised], [bucketOf(3)])).toEqual([bucketOf(1), revised]);
  });

  it("finds the bucket that starts at a time, and none in a gap", () => {
    const list = [bucketOf(1), bucketOf(3)];
    expect(bucketStarting(list, bucketOf(3).start)).toBe(list[1]);
    expect(bucketStarting(list, bucketOf(2).start)).toBeNull();
  });
});

describe("slots", () => {
  const minute = ms(60_000);

  it("makes a gap as wide as it lasted", () => {
    const slots = toSlots([bucketOf(0), bucketOf(3)], minute);
    expect(slots.map((slot) => slot.bucket !== null)).toEqual([true, false, false, true]);
    expect(slots[2]?.start).toBe(bucketOf(2).start);
  });

  it("stays bounded when the gap is years", () => {
    const slots = toSlots([bucketOf(0), bucketOf(5_000_000), bucketOf(5_000_001)], minute);
    expect(slots.length).toBeLessThanOrEqual(MAX_SLOTS);
    expect(slots.length).toBe(2);
  });

  it("takes only a change of the newest place as a small one", () => {
    const [zero, two, nine] = [bucketOf(0), bucketOf(2), bucketOf(9)];
    const before = toSlots([zero, two], minute);
    expect(changedTail(before, toSlots([zero, two, bucketOf(3)], minute))?.length).toBe(1);
    expect(changedTail(before, toSlots([zero, bucketOf(2, { rev: 2 })], minute))?.length).toBe(1);
    expect(changedTail(before, toSlots([zero, bucketOf(1), two], minute))).toBeNull();
    // The trap that crashed the chart in the trial: one live candle first, its history afterwards.
    expect(changedTail(toSlots([nine], minute), toSlots([zero, nine], minute))).toBeNull();
    expect(changedTail(before, before)).toEqual([]);
  });

  it("draws exactly what is there when only the changed tail is drawn", () => {
    // The same candle is the same object before and after, as in a series.
    const states = [1, 2].map((rev) => Array.from({ length: 8 }, (_, i) => bucketOf(i, { rev })));
    const revs = fc.array(fc.constantFrom(null, 0, 1), { minLength: 8, maxLength: 8 });
    const places = (list: readonly (number | null)[]) =>
      toSlots(list.flatMap((rev, i) => (rev === null ? [] : [states[rev]?.[i] ?? bucketOf(i)])), minute);
    fc.assert(
      fc.property(revs, revs, fc.nat(8), (first, second, same) => {
        const [before, after] = [places(first), places([...first.slice(0, same), ...second.slice(same)])];
        const tail = changedTail(before, after);
        if (tail === null) return;
        const drawn = new Map([...before, ...tail].map((slot) => [slot.start, slot]));
        expect([...drawn.values()]).toEqual(after);
      }),
      { numRuns: 2_000 },
    );
    const long = Array.from({ length: 6 }, (_, i) => bucketOf(i));
    expect(changedTail(toSlots(long.slice(0, 3), minute), toSlots(long.slice(3), minute))).toBeNull();
  });
});

describe("back-off and time", () => {
  it("draws from the whole range between base and a growing, capped ceiling", () => {
    expect(backoff(0, 0.999)).toBe(250);
    expect(backoff(3, 0)).toBe(250);
    expect(backoff(3, 0.5)).toBe(1_125);
    expect(backoff(40, 0.999_999)).toBeLessThanOrEqual(BACKOFF_CAP);
    expect(backoff(40, 0.999_999)).toBeGreaterThan(29_000);
  });

  it("reads Retry-After in seconds and as a date", () => {
    const now = ms(Date.UTC(2025, 0, 1));
    expect(retryAfter("7", now)).toBe(7_000);
    expect(retryAfter(new Date(now + 9_000).toUTCString(), now)).toBe(9_000);
    expect(retryAfter("soon", now)).toBeNull();
    expect(retryAfter(null, now)).toBeNull();
    expect(retryAfter("99999", now)).toBe(300_000);
  });

  it("writes times as the server's keys have them", () => {
    expect(formatIso(ms(Date.UTC(2025, 11, 21, 10, 35)))).toBe("2025-12-21T10:35:00Z");
    expect(parseIso("2025-12-21T10:35:00Z")).toBe(Date.UTC(2025, 11, 21, 10, 35));
    expect(parseIso("2025-12-21T10:35:00+01:00")).toBeNull();
    expect(parseIso("2025-13-21T10:35:00Z")).toBeNull();
  });
});

describe("address", () => {
  it("survives a round trip", () => {
    const address = "/grid?s=tag:ai-regulation&r=3h&at=2025-12-21T09:00:00Z&scale=fit&w=AAPL,tag:ai-regulation";
    const [path = "", search = ""] = address.split("?");
    expect(formatRoute(parseRoute(path, `?${search}`))).toBe(address);
    expect(formatRoute(parseRoute("/", ""))).toBe("/");
  });

  it("ignores what it cannot read", () => {
    const route = parseRoute("/", "?s=%E0%A4%A&r=7m&at=yesterday&w=AAPL,AAPL,%23,B,C,D,E,F");
    expect(route).toMatchObject({ page: "live", subject: null, resolution: "1m", at: null });
    expect(route.watched).toEqual(["AAPL", "B", "C", "D", "E"]);
    for (const path of ["/nowhere", "/grid/x", "/runs/r1/x"]) expect(parseRoute(path, "").page).toBe("unknown");
  });

  it("names the thing a detail page shows", () => {
    const path = "/records/finnhub%239f86d081884c7d65";
    expect(parseRoute(path, "")).toMatchObject({ page: "records", id: "finnhub#9f86d081884c7d65" });
    expect(formatRoute(parseRoute(path, ""))).toBe(path);
    expect(parseRoute("/runs/", "")).toMatchObject({ page: "runs", id: null });
  });

  it("accepts the subjects of the glossary and nothing else", () => {
    expect(parseSubject(" brk.b ")).toBe("BRK.B");
    expect(["brk-b", "bac-pl", "btc-usd"].map(parseSubject)).toEqual(["BRK.B", "BAC.PL", "BTC-USD"]);
    expect(parseSubject("#AI-Regulation")).toBe("tag:ai-regulation");
    for (const bad of ["", "A#B", "toolongticker", "tag:", "tag:-x", "<script>"]) expect(parseSubject(bad)).toBeNull();
  });
});

describe("places of the axis", () => {
  const slots = [0, 60_000, 120_000, 300_000].map((start) => ({ start: ms(start), bucket: null }));

  it("leads from an instant to a place and back, inside the series and outside", () => {
    for (const at of [-90_000, 0, 30_000, 60_000, 150_000, 300_000, 420_000]) {
      expect(timeOfIndex(indexOfTime(ms(at), slots, ms(60_000)), slots, ms(60_000))).toBe(at);
    }
  });

  it("gives a short series the whole width, until the reader has chosen a span", () => {
    expect(barsFor(null, ms(60_000), 1_000, 40, COMFORTABLE_BAR)).toBe(40);
    expect(barsFor(null, ms(60_000), 1_000, 3, COMFORTABLE_BAR)).toBe(MIN_BARS);
    expect(barsFor(null, ms(60_000), 1_000, 5_000, COMFORTABLE_BAR)).toBe(1_000 / COMFORTABLE_BAR);
    expect(barsFor({ from: ms(0), to: ms(6_000_000), follow: true }, ms(60_000), 1_000, 40, COMFORTABLE_BAR)).toBe(100);
  });
});

describe("view", () => {
  it("keeps the span of time as far as it is readable", () => {
    const hour = { from: ms(0), to: ms(3_600_000), follow: false };
    expect(barsFor(hour, ms(60_000), 900, Infinity, COMFORTABLE_BAR)).toBe(60);
    expect(barsFor(hour, ms(86_400_000), 900, Infinity, COMFORTABLE_BAR)).toBe(MIN_BARS);
    expect(barsFor({ ...hour, to: ms(86_400_000 * 30) }, ms(60_000), 900, Infinity, COMFORTABLE_BAR)).toBe(MAX_BARS);
    expect(barsFor(null, ms(60_000), 900, Infinity, COMFORTABLE_BAR)).toBe(90);
    expect(barsFor(null, ms(60_000), 100, Infinity, COMFORTABLE_BAR)).toBe(MIN_BARS);
  });

  it("knows the neighbours of every resolution", () => {
    expect(neighboursOf("1m")).toEqual(["5m"]);
    expect(neighboursOf("3h")).toEqual(["1h", "6h"]);
    expect(RESOLUTIONS.map((row) => row.id)).toEqual(["1m", "5m", "10m", "1h", "3h", "6h", "12h", "24h"]);
  });
});

describe("the pill", () => {
  const now = ms(1_000_000);
  const beat = { serverTime: now, newestIngestAt: ms(now - 4_000), lag: ms(100), cursor: "1", connections: 1, storeUp: true };
  const open = { ...INITIAL_LINK, phase: "open" as const, heardAt: now, heartbeat: beat };

  it("says Live only when it is", () => {
    expect(pill(open, now).state).toBe("live");
    expect(pill(open, now).newestAge).toBe(4_000);
    expect(pill(open, ms(now + 16_000)).state).toBe("delayed");
    expect(pill({ ...open, heartbeat: { ...beat, lag: ms(31_000) } }, now).state).toBe("delayed");
    expect(pill({ ...open, heartbeat: { ...beat, storeUp: false } }, now).state).toBe("delayed");
    for (const phase of ["connecting", "polling", "waiting", "offline", "paused", "stopped"] as const) {
      expect(pill({ ...open, phase }, now).state).not.toBe("live");
    }
  });

  it("takes what an article took for a backlog only while that is news", () => {
    const told = (ingestedAgo: number, lag: number): string =>
      pill({ ...open, heartbeat: { ...beat, newestIngestAt: ms(now - ingestedAgo), lag: ms(lag) } }, now).state;
    expect(told(13 * HOUR, 9 * HOUR)).toBe("live");
    expect([told(100_000, 40_001), told(100_000, 40_000)]).toEqual(["delayed", "live"]);
    expect(pill({ ...open, heartbeat: { ...beat, newestIngestAt: null, lag: null } }, now).state).toBe("live");
    const slow = { ...beat, newestIngestAt: ms(now - 9 * HOUR), lag: ms(9 * HOUR) };
    expect(pill({ ...open, clockOffset: ms(61_000), heartbeat: slow }, now).state).toBe("live");
  });

  it("doubts a connection of any kind that has long been silent", () => {
    const polling = { ...open, phase: "polling" as const };
    expect(pill(polling, now).state).toBe("polling");
    expect(pill(polling, ms(now + 16_000)).state).toBe("delayed");
  });

  it("does not say Live on a page that the stream has no room for", () => {
    for (const phase of ["open", "polling"] as const) {
      expect(pill({ ...open, phase }, now, true)).toMatchObject({ state: "delayed", explanation: expect.stringContaining("every 10 s") });
    }
    expect(pill({ ...open, phase: "waiting" }, now, true).state).toBe("reconnecting");
  });

  it("measures age by the server's clock", () => {
    expect(pill({ ...open, clockOffset: ms(-60_000), heartbeat: { ...beat, newestIngestAt: ms(now - 61_000) } }, now).newestAge).toBe(1_000);
  });
});

describe("what is taken along", () => {
  const key = "tag:ai-regulation@1h" as never;
  const bucket = bucketOf(0, { open: -1234 as E4, count: 2 });

  it("writes the numbers as the API does", () => {
    const [header, row, rest] = toCsv([bucket], bucket.end).split("\r\n");
    expect(header).toBe("start,end,open,high,low,close,sum,count,positive,neutral,negative,rev,is_partial");
    expect(row).toBe("2025-12-21T10:00:00Z,2025-12-21T10:01:00Z,-0.1234,0,0,0,0,2,0,1,0,1,false");
    expect(rest).toBe("");
    expect(JSON.parse(toJsonLines(key, [bucket], bucket.end))).toMatchObject({ ticker: "tag:ai-regulation", resolution: "1h", open: -0.1234 });
  });

  it("calls a candle partial until its window ends, whatever was said when it was last written", () => {
    const written = { ...bucket, isPartial: true };
    for (const [at, isPartial] of [[written.end - 1, true], [written.end, false]] as const) {
      expect(toCsv([written], ms(at)).trimEnd().endsWith(`,${isPartial}`)).toBe(true);
      expect(JSON.parse(toJsonLines(key, [written], ms(at)))).toMatchObject({ is_partial: isPartial });
    }
  });

  it("makes names and commands that work", () => {
    expect(fileName(key, "csv")).toBe("tag-ai-regulation-1h.csv");
    expect(toCurl("http:" + "//x", key, [bucket])).toBe(
      "curl 'http:" + "//x/api/v2/timeseries/tag%3Aai-regulation?resolution=1h&start=2025-12-21T10:00:00Z'",
    );
    expect(toCurl("", key, [])).toBe("curl '/api/v2/timeseries/tag%3Aai-regulation?resolution=1h'");
  });

  it("asks for the newest candles where one answer does not hold all: from a start on it has the oldest", () => {
    const buckets = [...Array(2_000).keys()].map((i) => bucketOf(i));
    expect(toCurl("", key, buckets)).toContain(`&start=${formatIso(bucketOf(1_000).start)}'`);
    expect(toCurl("", "AAPL@1m" as never, buckets)).toContain(`&start=${formatIso(bucketOf(560).start)}'`);
  });
});

describe("what comes from outside", () => {
  it("makes no link of a script", () => {
    const { articles: [article] } = parseArticles({ articles: [{ event_id: "1", url: "javascript:alert(1)", title: "<b>x</b>", polarity: 0.5, roles: ["open", "king"] }] });
    expect(article?.url).toBeNull();
    expect(article?.title).toBe("<b>x</b>");
    expect(article?.roles).toEqual(["open"]);
  });

  it("takes an article without a label for not scored, never for neutral", () => {
    const { articles } = parseArticles({ articles: [{ event_id: "1", label: null }, { event_id: "2", label: "splendid" }, { event_id: "3", label: "neutral" }] });
    expect(articles.map(({ label }) => label)).toEqual([null, null, "neutral"]);
    expect(new Set([null, ...LABELS].map(labelMark)).size).toBe(4);
  });

  it("always says that a demo is recorded", () => {
    expect(parseSubjects({ subjects: [], demo: true, demo_note: null }).demoNote).toContain("Recorded");
    expect(parseSubjects({ subjects: [], demo: false, demo_note: "x" }).demoNote).toBeNull();
  });
});
