import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Bucket } from "../src/model/bucket.ts";
import { closeMove, countVerdicts, toPairs, verdictOf } from "../src/model/overlay.ts";
import { choose, type Command, score } from "../src/model/palette.ts";
import { canPromote, canRollBack, generationsOf, parseReport, parseRunDetail, parseRuns, parseWorst } from "../src/model/runs.ts";
import { parseSwaps, swapText } from "../src/model/swaps.ts";
import { e4, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";

const MINUTE = 60_000;
const at = (minute: number, close: number, count = 3): Bucket => bucketOf(minute, { close: e4(close), count });
const buckets = fc
  .uniqueArray(fc.tuple(fc.nat(60), fc.integer({ min: -10_000, max: 10_000 })), { selector: ([minute]) => minute })
  .map((rows) => rows.sort(([a], [b]) => a - b).map(([minute, close]) => at(minute, close)));

describe("overlay of two generations", () => {
  it("puts every candle of either generation in its place, once, ascending", () => {
    fc.assert(
      fc.property(buckets, buckets, (before, after) => {
        const slots = toPairs(before, after, ms(MINUTE), "before");
        const starts = slots.map((slot) => slot.start);
        expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b));
        const pairs = slots.flatMap((slot) => (slot.pair === undefined ? [] : [slot.pair]));
        expect(pairs.map((pair) => pair.before).filter((bucket) => bucket !== null)).toEqual(before);
        expect(pairs.map((pair) => pair.after).filter((bucket) => bucket !== null)).toEqual(after);
        const counts = countVerdicts(slots);
        const sum = Object.values(counts).reduce((total, count) => total + count, 0);
        expect(sum).toBe(new Set([...before, ...after].map((bucket) => bucket.start)).size);
      }),
    );
  });

  it("calls a pair by what differs, and measures its close", () => {
    expect(verdictOf({ before: at(1, 5), after: at(1, 5) })).toBe("equal");
    expect(verdictOf({ before: at(1, 5), after: at(1, 5, 4) })).toBe("changed");
    expect(verdictOf({ before: null, after: at(1, 5) })).toBe("only after");
    expect(verdictOf({ before: at(1, 5), after: null })).toBe("only before");
    expect(closeMove({ before: at(1, 500), after: at(1, -200) })).toBe(-700);
    expect(closeMove({ before: null, after: at(1, 5) })).toBeNull();
  });
});

const RUN = {
  id: "r1", generation: "g2", state: "completed", model: "vader-3", created_at: "2026-11-28T09:24:53.160Z", units_done: 3, units_total: 4,
  seconds: 7.3, events_per_second: 1511, digest: "862f", live: "g1", counts: { counted: 11, buckets: 24 },
  audit: [{ at: "2026-11-28T09:24:53.165Z", action: "run", generation: "g2" }],
};

describe("runs", () => {
  it("are read with care, whatever the server left out", () => {
    expect(parseRuns({ live: "g1", runs: [RUN, {}] }).runs.map((run) => [run.id, run.state, run.unitsDone])).toEqual([["r1", "completed", 3], ["", "unknown", 0]]);
    expect(parseRuns(null)).toEqual({ live: "", runs: [] });
    expect(parseRunDetail(RUN)).toMatchObject({ seconds: 7.3, report: null, previous: null, counts: [["counted", 11], ["buckets", 24]] });
  });

  it("are compared with what is live, and a live one with what it replaced", () => {
    expect(generationsOf(parseRunDetail(RUN))).toEqual({ before: "g1", after: "g2" });
    const live = parseRunDetail({ ...RUN, state: "live", live: "g2", previous: "g1" });
    expect(generationsOf(live)).toEqual({ before: "g1", after: "g2" });
    expect([canPromote(live), canRollBack(live)]).toEqual([false, true]);
    expect([canPromote(parseRunDetail(RUN)), canRollBack(parseRunDetail(RUN))]).toEqual([true, false]);
    expect(generationsOf(parseRunDetail({ ...RUN, live: "g2" }))).toBeNull();
  });

  it("bring their report and what differs most", () => {
    const row = { equal: 1, changed: 2, only_a: 3, only_b: 4, newer: 5, mean_abs_close_change: 0.25 };
    const report = parseReport({
      a: "g1", b: "g2", at: "2026-11-28T09:25:07.069Z", complete: true, counts: row, by_resolution: { "1m": row }, mean_abs_close_change: 0.4,
      label_flips: { events: 7, share: 0.5, exact: true, matrix: { "neutral>positive": 7 } }, psi: { value: 1.02 }, breaches: ["labels flipped"],
    });
    expect(report?.total).toMatchObject({ equal: 1, changed: 2, onlyBefore: 3, onlyAfter: 4, newer: 5, meanMove: 0.4 });
    expect(report?.byResolution).toHaveLength(1);
    expect(report?.flips.matrix.get("neutral>positive")).toBe(7);
    expect(parseReport({})).toBeNull();
    expect(parseWorst({ worst: [{ ticker: "AAPL", resolution: "7m" }, "nonsense"] })).toEqual([]);
  });
});

describe("swaps", () => {
  const swaps = parseSwaps({
    swaps: [
      { at: "2026-11-28T09:00:00Z", action: "promote", generation: "g2", previous: "g1", reason: "" },
      { at: "2026-11-28T09:30:00Z", action: "rollback", generation: "g1", previous: "g2", reason: "drill" },
      { at: "yesterday", action: "promote" },
    ],
  });

  it("say which generation went live, and whether again", () => {
    expect(swaps.map(swapText)).toEqual(["g2 live", "g1 live again"]);
  });
});

describe("the command palette", () => {
  const command = (text: string, hint = ""): Command => ({ id: text, group: "Actions", text, hint, run: () => undefined });
  const texts = (query: string, ...all: Command[]): string[] => choose(query, all).map((found) => found.text);

  it("puts beginnings before insides before scattered letters, and leaves out what does not fit", () => {
    expect(texts("gr", command("Go to r"), command("Telegram"), command("Grid"), command("Live"))).toEqual(["Grid", "Telegram", "Go to r"]);
    expect(texts("apple", command("AAPL", "Apple Inc."), command("MSFT"))).toEqual(["AAPL"]);
  });

  it("offers everything in its order when nothing is typed", () => {
    fc.assert(fc.property(fc.array(fc.string()), (names) => {
      expect(texts("", ...names.map((name) => command(name)))).toEqual(names);
    }));
  });

  it("finds every text by any of its own parts", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat(), fc.nat(), (text, a, b) => {
        const part = text.slice(a % text.length, (a % text.length) + 1 + (b % text.length));
        expect(score(part, text)).not.toBeNull();
      }),
    );
  });
});
