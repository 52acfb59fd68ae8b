import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSeries } from "../src/model/api_types.ts";
import { type Bucket, parseBucket } from "../src/model/bucket.ts";
import { newestBegun } from "../src/model/series.ts";
import type { BucketUpdate } from "../src/model/stream_event.ts";
import { parseMessage } from "../src/model/stream_event.ts";
import { seriesKey, type SeriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, isAnswered, mayConfirm, reduce, type SeriesState, seriesOf, type SyncInput, type SyncState } from "../src/model/sync.ts";
import { formatIso, ms } from "../src/model/units.ts";
import { bucketOf, FakeServer } from "./fake_server.ts";

/**
 * Law 6, "reconnect is invisible", for the part the page owns: whatever is lost, doubled, swapped or
 * late on the way, the page ends with the state of a fresh fetch.
 */
const TICKERS = ["AAPL", "MSFT", "TSLA"] as const;
type Ticker = (typeof TICKERS)[number];
/** How many of the newest candles an answer holds: all; those of the chart; those of a row of the watch list. */
const CANDLES: Record<Ticker, number> = { AAPL: Infinity, MSFT: 4, TSLA: 3 };
/** Shown as a row of the watch list only. */
const SHORT = "TSLA";
const keyOf = (ticker: string): SeriesKey => seriesKey(ticker as Subject, "1m");

type Step =
  | { op: "change"; ticker: number; index: number; score: number }
  | { op: "finish"; ticker: number; index: number }
  | { op: "ask"; ticker: number }
  /** The reader goes back: so many windows before the first that is shown. */
  | { op: "older"; ticker: number; windows: number }
  | { op: "answer"; pick: number }
  | { op: "deliver"; count: number; order: number; twice: boolean }
  | { op: "cut" }
  | { op: "connect" }
  /** Another generation goes live; `late`: the process that answers the page's questions has not heard of it yet. */
  | { op: "promote"; late: boolean }
  | { op: "heard" }
  | { op: "cached"; ticker: number; index: number }
  | { op: "wipe" };

const stepArb: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant("change" as const), ticker: fc.nat(2), index: fc.nat(7), score: fc.integer({ min: -9999, max: 9999 }).map((n) => n / 10_000) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("finish" as const), ticker: fc.nat(2), index: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("ask" as const), ticker: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("older" as const), ticker: fc.nat(2), windows: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("answer" as const), pick: fc.nat(5) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant("deliver" as const), count: fc.nat(6), order: fc.nat(), twice: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ op: "cut" as const }) },
  { weight: 2, arbitrary: fc.constant({ op: "connect" as const }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("promote" as const), late: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ op: "heard" as const }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("cached" as const), ticker: fc.nat(2), index: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.constant({ op: "wipe" as const }) },
);

type Fetched = Extract<SyncInput, { kind: "fetched" }>;

interface Flaws {
  /** Canary: applies whatever comes last, as a reducer without revisions would. */
  readonly ignoreRev?: boolean;
  /** Canary: does not fetch again after a break. */
  readonly noResync?: boolean;
  /** Canary: believes answers of a process that does not know which generation is live. */
  readonly anyGeneration?: boolean;
}

type Rest = ReturnType<FakeServer["rest"]>;

/** Which candles were asked for; null for the newest. */
type Span = { readonly start: number; readonly end: number } | null;

interface Answer {
  readonly at: number;
  readonly wire: Rest;
  readonly span: Span;
}

const bucketsOf = ({ buckets, older_partials: older, partial_bucket: partial }: Rest): Bucket[] =>
  [...buckets, ...older, partial].map(parseBucket).filter((bucket) => bucket !== null).sort((a, b) => a.start - b.start);

class Harness {
  readonly server = new FakeServer(TICKERS);
  state: SyncState = INITIAL_SYNC;
  position: string | null = null;
  wire: string[] | null = null;
  sent = 0;
  answers: Answer[] = [];
  /** What the late process has, while there is one. */
  outdated: ReadonlyMap<string, Rest> | null = null;

  constructor(readonly flaws: Flaws) {}

  input(input: SyncInput): void {
    this.state = reduce(this.state, input);
  }

  updates(updates: readonly BucketUpdate[]): void {
    const bumped = updates.map((row, i) => ({ ...row, bucket: { ...row.bucket, rev: row.bucket.rev + 1_000_000 * ++this.sent + i } }));
    this.input({ kind: "updates", updates: this.flaws.ignoreRev === true ? bumped : updates });
  }

  ask(ticker: string, afterBreak = false, span: Span = null): void {
    if (afterBreak && this.flaws.noResync === true) return;
    this.answers.push({ at: this.state.breaks, wire: this.outdated?.get(ticker) ?? this.server.rest(ticker), span });
  }

  older(ticker: string, windows: number): void {
    const { stale, whole, buckets } = seriesOf(this.state, keyOf(ticker));
    const end = buckets[0]?.start;
    if (stale || whole || end === undefined) return;
    this.ask(ticker, false, { start: end - windows * (bucketOf(1).start - bucketOf(0).start), end });
  }

  answer(pick: number): void {
    const [found] = this.answers.splice(pick % Math.max(1, this.answers.length), 1);
    if (found === undefined) return;
    const { wire, at, span } = found;
    const answer = parseSeries(wire);
    if (answer === null) throw new Error("the fake answered something else");
    const { key, generation } = answer;
    if (span !== null && seriesOf(this.state, key).generation !== generation) return;
    const all = bucketsOf(wire);
    const most = CANDLES[wire.ticker as Ticker];
    const buckets = span === null ? all.slice(-most) : all.filter(({ start }) => start >= span.start && start < span.end);
    const whole = span === null && all.length <= most;
    const full = span === null && wire.ticker !== SHORT;
    const { epoch } = this.state;
    const anyGeneration = this.flaws.anyGeneration === true;
    if (anyGeneration) this.state = { ...this.state, epoch: null };
    this.input({ kind: "fetched", key, generation, buckets, askedAtBreak: at, full, whole });
    this.state = { ...this.state, epoch };
    if (!anyGeneration && !mayConfirm(this.state, generation)) this.ask(wire.ticker);
  }

  /** One message reaches the page; the position moves as in the stream client. */
  message(frame: string): BucketUpdate[] {
    const lines = Object.fromEntries(frame.trim().split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
    const event = parseMessage(lines["event"] ?? "", lines["data"] ?? "");
    if (event?.kind === "hello" && (!event.resumed || this.state.epoch !== event.epoch)) {
      this.input({ kind: "resync", epoch: event.epoch });
      for (const ticker of TICKERS) this.ask(ticker, true);
    }
    this.position = lines["id"] ?? this.position;
    return event?.kind === "buckets" ? [...event.updates] : [];
  }

  /** Messages of one read arrive together and may be applied in any order and more than once. */
  deliver(count: number, order: number, twice: boolean): void {
    const frames = this.wire?.splice(0, count) ?? [];
    const updates = frames.flatMap((frame) => this.message(frame));
    if (updates.length > 1) updates.push(...updates.splice(0, order % updates.length));
    this.updates(twice ? [...updates, ...updates] : updates);
  }

  connect(): void {
    const text = this.server.frames(this.position);
    this.wire = text.split(/(?<=\n\n)/);
  }

  run(step: Step): void {
    const ticker = "ticker" in step ? (TICKERS[step.ticker] ?? "AAPL") : "AAPL";
    const logged = this.server.log.length;
    if (step.op === "change") this.server.change(ticker, step.index, step.score);
    if (step.op === "finish") this.server.finish(ticker, step.index);
    if (step.op === "ask") this.ask(ticker);
    if (step.op === "older") this.older(ticker, step.windows);
    if (step.op === "answer") this.answer(step.pick);
    if (step.op === "deliver") this.deliver(step.count, step.order, step.twice);
    if (step.op === "cut") this.wire = null;
    if (step.op === "connect" && this.wire === null) this.connect();
    if (step.op === "promote") {
      if (step.late) this.outdated ??= new Map(TICKERS.map((name) => [name, this.server.rest(name)]));
      this.server.promote(`${this.server.epoch}x`);
      this.wire = null;
    }
    if (step.op === "heard") this.outdated = null;
    if (step.op === "cached") {
      const buckets = [bucketOf(step.index, { rev: 1_000 })];
      this.input({ kind: "cached", key: keyOf(ticker), generation: this.server.epoch, buckets });
    }
    if (step.op === "wipe") {
      // No position of the old log is one of the new log, so the page cannot resume.
      this.server.wipe();
      this.outdated = null;
      this.position = null;
      this.wire = null;
    }
    if (this.wire !== null) this.wire.push(...this.server.since(logged));
  }

  /** The weather clears: connect, drain everything, answer everything. */
  settle(): void {
    this.wire = null;
    this.outdated = null;
    this.connect();
    for (let i = 0; i < 50 && (this.pending() > 0 || this.answers.length > 0); i++) {
      this.deliver(1_000, 3, true);
      this.answer(0);
    }
  }

  pending(): number {
    return this.wire?.length ?? 0;
  }

  /** Every candle from the first that is shown on, and none that a fresh fetch would have is missing. */
  different(): string | null {
    for (const ticker of TICKERS) {
      const got = seriesOf(this.state, keyOf(ticker)).buckets;
      const all = bucketsOf(this.server.rest(ticker));
      const first = got[0]?.start ?? Infinity;
      const wanted = all.filter(({ start }, i) => i >= all.length - CANDLES[ticker] || start >= first);
      if (JSON.stringify(got) !== JSON.stringify(wanted)) return `${ticker}: ${JSON.stringify({ got, wanted })}`;
    }
    return null;
  }
}

/** What the page takes for its newest candle in the middle of a window. */
function newestAt(harness: Harness, ticker: string, index: number): string | undefined {
  const { buckets } = seriesOf(harness.state, keyOf(ticker));
  const found = newestBegun(buckets, ms(bucketOf(index).start + 30_000));
  return found === undefined ? undefined : formatIso(found.start);
}

function outcome(steps: readonly Step[], flaws: Flaws = {}): string | null {
  const harness = new Harness(flaws);
  for (const step of steps) harness.run(step);
  harness.settle();
  return harness.different();
}

describe("reconnect is invisible", () => {
  it("ends with the state of a fresh fetch after any loss, doubling, disorder and reconnection", () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 1, maxLength: 120, size: "max" }), (steps) => {
        expect(outcome(steps)).toBeNull();
      }),
      { numRuns: 2_000 },
    );
  });

  it("leaves the page at the newest window that has begun, though later ones have news already", () => {
    fc.assert(
      fc.property(fc.array(stepArb, { minLength: 1, maxLength: 60 }), fc.nat(7), (steps, index) => {
        const harness = new Harness({});
        for (const step of [{ op: "change", ticker: 0, index: 0, score: 0.1 } as const, ...steps]) harness.run(step);
        harness.settle();
        const { buckets, older_partials: older, partial_bucket: partial } = harness.server.rest("AAPL");
        const starts = [...buckets, ...older, ...(partial === null ? [] : [partial])].map((bucket) => bucket.start).sort();
        const now = formatIso(bucketOf(index).start);
        expect(newestAt(harness, "AAPL", index)).toBe(starts.findLast((start) => start <= now) ?? starts.at(-1));
      }),
      { numRuns: 300 },
    );
  });

  it("is caught when revisions are ignored", () => {
    const result = fc.check(fc.property(fc.array(stepArb, { maxLength: 120 }), (steps) => outcome(steps, { ignoreRev: true }) === null), { numRuns: 500 });
    expect(result.failed).toBe(true);
  });

  it("is caught when an answer of another generation is believed", () => {
    const all = { op: "deliver" as const, count: 9, order: 0, twice: false };
    const answers = TICKERS.map(() => ({ op: "answer" as const, pick: 0 }));
    const steps: Step[] = [
      // Two windows: the greeting of a stream that can not resume tells of the newest one itself.
      ...[0, 2].map((index) => ({ op: "change" as const, ticker: 0, index, score: 0.5 })), { op: "connect" }, all, ...answers,
      { op: "promote", late: true }, { op: "connect" }, all, ...answers,
    ];
    expect(outcome(steps)).toBeNull();
    expect(outcome(steps, { anyGeneration: true })).not.toBeNull();
  });

  it("is caught when a break is not followed by a fetch", () => {
    const result = fc.check(fc.property(fc.array(stepArb, { maxLength: 120 }), (steps) => outcome(steps, { noResync: true }) === null), { numRuns: 500 });
    expect(result.failed).toBe(true);
  });
});

describe("what the server has not confirmed", () => {
  const key = keyOf("AAPL");
  const run = (first: number, count: number, rev = 1) =>
    Array.from({ length: count }, (_, i) => bucketOf(first + i, { rev }));
  const cached = (buckets: Fetched["buckets"]): SyncInput => ({ kind: "cached", key, generation: "g1", buckets });
  const fetched = (buckets: Fetched["buckets"], change: Partial<Fetched> = {}): SyncInput =>
    ({ kind: "fetched", key, generation: "g1", buckets, askedAtBreak: 0, full: true, ...change });
  const streamed = (index: number, rev: number): SyncInput =>
    ({ kind: "updates", updates: [{ key, bucket: bucketOf(index, { rev }), origin: null }] });
  const resync: SyncInput = { kind: "resync", epoch: "g1" };
  const after = (...inputs: SyncInput[]): SeriesState => seriesOf(inputs.reduce(reduce, INITIAL_SYNC), key);
  const content = ({ buckets }: SeriesState): [number, number][] =>
    buckets.map((bucket) => [(bucket.start - bucketOf(0).start) / (bucketOf(0).end - bucketOf(0).start), bucket.rev]);

  it("leaves no hole between two visits", () => {
    const series = after(cached(run(0, 144)), fetched(run(400, 144)));
    expect(series.buckets).toEqual(run(400, 144));
    expect(series).toMatchObject({ stale: false, fromCache: false });
  });

  it("leaves no hole after a long sleep", () => {
    const slept = [resync, fetched(run(0, 144), { askedAtBreak: 1 }), resync];
    expect(after(...slept, fetched(run(400, 144), { askedAtBreak: 2 })).buckets).toEqual(run(400, 144));
  });

  it("gives way to another log with the same name", () => {
    const other = [...run(2, 1, 3), ...run(5, 1, 1)];
    expect(content(after(cached(run(1, 3, 7)), fetched(other)))).toEqual([[2, 3], [5, 1]]);
    const before = [resync, fetched(run(1, 3, 7), { askedAtBreak: 1 })];
    expect(content(after(...before, resync, fetched(other, { askedAtBreak: 2 })))).toEqual([[2, 3], [5, 1]]);
  });

  it("is not confirmed by a short answer", () => {
    const seen = [cached(run(1, 4, 7)), streamed(6, 1), fetched(run(3, 2, 2), { full: false })];
    expect(after(...seen)).toMatchObject({ stale: true });
    expect(content(after(...seen, fetched(run(1, 4, 2))))).toEqual([[1, 2], [2, 2], [3, 2], [4, 2], [6, 1]]);
  });

  it("begins where a full answer says so, until it is no longer trusted", () => {
    const begins = fetched(run(0, 4), { whole: true });
    expect(after(begins, streamed(4, 1), fetched(run(3, 2), { full: false })).whole).toBe(true);
    expect(after(begins, fetched(run(2, 4))).whole).toBe(true);
    expect(after(begins, resync, fetched(run(2, 4), { askedAtBreak: 1 })).whole).toBe(false);
    expect(after(begins, fetched(run(2, 4), { generation: "g2" })).whole).toBe(false);
    expect(after(fetched(run(0, 4), { full: false, whole: true }))).toMatchObject({ whole: true, stale: true });
    expect(after(resync, fetched(run(0, 4), { whole: true })).whole).toBe(false);
  });

  it("waits where it lies before what was answered, until an answer goes back to it", () => {
    const seen = [fetched(run(5, 3)), streamed(1, 4), streamed(3, 2)];
    expect(content(after(...seen))).toEqual([[5, 1], [6, 1], [7, 1]]);
    const older = (first: number, count: number): SyncInput => fetched(run(first, count), { full: false });
    expect(content(after(...seen, older(2, 3), streamed(4, 9)))).toEqual([[2, 1], [3, 2], [4, 9], [5, 1], [6, 1], [7, 1]]);
    expect(content(after(...seen, older(2, 3), older(0, 2)))).toEqual([[0, 1], [1, 4], [2, 1], [3, 2], [4, 1], [5, 1], [6, 1], [7, 1]]);
    expect(content(after(...seen, older(2, 0)))).toEqual([[5, 1], [6, 1], [7, 1]]);
    expect(content(after(...seen, fetched(run(3, 5), { whole: true })))).toEqual([[1, 4], [3, 2], [4, 1], [5, 1], [6, 1], [7, 1]]);
    expect(after(...seen, streamed(1, 3))).toEqual(after(...seen));
    expect(content(after(...seen, fetched(run(0, 3), { generation: "g2", whole: true })))).toEqual([[0, 1], [1, 1], [2, 1]]);
  });

  it("gives way to a short answer as to a whole one", () => {
    const before = [fetched(run(1, 4, 7), { full: false }), resync, streamed(6, 1)];
    const series = after(...before, fetched(run(3, 2, 2), { full: false, askedAtBreak: 1 }), streamed(4, 3));
    expect(content(series)).toEqual([[3, 2], [4, 3], [6, 1]]);
    expect(isAnswered(series)).toBe(true);
    expect([after(), after(cached(run(1, 1))), after(...before)].map(isAnswered)).toEqual([false, false, false]);
  });

  it("is forgotten with its generation, also by a page that was told of none for a while", () => {
    const alone = { ...[resync, fetched(run(0, 1, 40), { askedAtBreak: 1 })].reduce(reduce, INITIAL_SYNC), epoch: null };
    const swapped = [{ kind: "resync", epoch: "g2" } as const, streamed(0, 3)].reduce(reduce, alone);
    expect(content(seriesOf(swapped, key))).toEqual([[0, 3]]);
    expect(seriesOf(reduce(alone, resync), key).buckets).toEqual(run(0, 1, 40));
  });

  it("is not confirmed by a process that has not heard of the live generation", () => {
    const promoted: SyncInput[] = [resync, fetched(run(0, 3, 7), { askedAtBreak: 1 }), { kind: "resync", epoch: "g2" }];
    const late = fetched(run(0, 3, 7), { askedAtBreak: 2 });
    expect(after(...promoted, late)).toMatchObject({ buckets: [], stale: true });
    const live = fetched(run(0, 3), { askedAtBreak: 2, generation: "g2" });
    const wanted = [[0, 1], [1, 1], [2, 2]];
    expect(content(after(...promoted, late, streamed(2, 2), live))).toEqual(wanted);
    expect(content(after(...promoted, live, late, streamed(2, 2)))).toEqual(wanted);
  });

  it("does not lose what the stream brings while the answer is on its way", () => {
    const visited = [streamed(2, 4), cached(run(0, 2, 9)), streamed(3, 1)];
    expect(content(after(...visited, fetched(run(1, 2))))).toEqual([[1, 1], [2, 4], [3, 1]]);
    const slept = [fetched(run(0, 2)), resync, streamed(1, 4), fetched(run(0, 2), { askedAtBreak: 0 })];
    expect(content(after(...slept, fetched(run(0, 2), { askedAtBreak: 1 })))).toEqual([[0, 1], [1, 4]]);
  });

  it("forgets what came before a break though nothing was ever fetched", () => {
    for (const old of [cached(run(0, 1)), fetched(run(0, 1))]) {
      const series = after(streamed(2, 9), resync, old, streamed(3, 1), fetched(run(1, 1), { askedAtBreak: 1 }));
      expect(content(series)).toEqual([[1, 1], [3, 1]]);
    }
  });

  it("is shown until the server answers", () => {
    expect(after(cached(run(0, 3)), resync)).toMatchObject({ buckets: run(0, 3), stale: true, fromCache: true });
    expect(after(fetched(run(0, 3)), resync)).toMatchObject({ buckets: run(0, 3), stale: true, fromCache: true });
  });
});
