import type { Bucket } from "../src/model/bucket.ts";
import { formatIso, ms, type Ms } from "../src/model/units.ts";

/**
 * A server in memory that keeps the promises of the protocol and none of the network's: full state
 * with a revision, one change log, a replay limit, epochs. Faults are drawn by the test.
 */
export interface WireBucket {
  start: string;
  end: string;
  open: number;
  high: number;
  low: number;
  close: number;
  sum: number;
  count: number;
  label_counts: { positive: number; neutral: number; negative: number };
  sources: string[];
  model_versions: string[];
  rev: number;
  is_partial: boolean;
  last_updated: string;
}

interface Change {
  readonly ticker: string;
  readonly resolution: string;
  readonly bucket: WireBucket;
}

const T0 = Date.UTC(2025, 11, 21, 10, 0, 0);
const SLOT = 60_000;
const REPLAY_LIMIT = 60;

export class FakeServer {
  epoch = "g1";
  log: Change[] = [];
  #state = new Map<string, Map<number, WireBucket>>();

  constructor(readonly tickers: readonly string[]) {}

  /** One new article in window number `index` of a ticker. */
  change(ticker: string, index: number, score: number): void {
    const series = this.#state.get(ticker) ?? new Map<number, WireBucket>();
    this.#state.set(ticker, series);
    const before = series.get(index);
    const count = (before?.count ?? 0) + 1;
    const bucket: WireBucket = {
      start: formatIso(ms(T0 + index * SLOT)),
      end: formatIso(ms(T0 + (index + 1) * SLOT)),
      open: before?.open ?? score,
      high: Math.max(before?.high ?? -1, score),
      low: Math.min(before?.low ?? 1, score),
      close: score,
      sum: Math.round(((before?.sum ?? 0) + score) * 10_000) / 10_000,
      count,
      label_counts: { positive: count, neutral: 0, negative: 0 },
      sources: ["rss"],
      model_versions: ["m1"],
      rev: (before?.rev ?? 0) + 1,
      is_partial: before?.is_partial ?? true,
      last_updated: formatIso(ms(T0 + index * SLOT + count)),
    };
    this.#put(ticker, index, bucket);
  }

  /** A window ends: the flag changes, the content and its revision do not. */
  finish(ticker: string, index: number): void {
    const before = this.#state.get(ticker)?.get(index);
    if (before?.is_partial === true) this.#put(ticker, index, { ...before, is_partial: false });
  }

  /** Another generation goes live: other content, revisions that start again, an empty log. */
  promote(epoch: string): void {
    this.epoch = epoch;
    this.log = [];
    for (const series of this.#state.values()) {
      for (const [index, bucket] of series) {
        if (index % 2 === 1) series.delete(index);
        else series.set(index, { ...bucket, close: -bucket.close, rev: 1 });
      }
    }
  }

  /** A new data directory: nothing is left but the name of the generation, which is the same again. */
  wipe(): void {
    this.log = [];
    this.#state.clear();
  }

  rest(ticker: string) {
    const all = [...(this.#state.get(ticker)?.entries() ?? [])].sort(([a], [b]) => a - b).map(([, bucket]) => bucket);
    return {
      ticker,
      resolution: "1m",
      buckets: all.filter((bucket) => !bucket.is_partial),
      partial_bucket: all.findLast((bucket) => bucket.is_partial) ?? null,
      // Earlier partial windows exist only for a moment in the real server; here they count as buckets.
      older_partials: all.filter((bucket) => bucket.is_partial).slice(0, -1),
      stream_cursor: `${this.epoch}.${this.log.length}`,
      generation: this.epoch,
    };
  }

  /** All frames from a position to the newest, with the greeting, as the text of a stream. */
  frames(position: string | null): string {
    const [epoch, cursorText] = position === null ? [null, "0"] : position.split(".", 2);
    const cursor = Number(cursorText);
    const tooOld = this.log.length - cursor > REPLAY_LIMIT;
    const resumed = epoch === this.epoch && !tooOld;
    const reason = position === null ? "first" : resumed ? "ok" : tooOld ? "too_old" : "epoch_changed";
    const frames = [this.frame("hello", { epoch: this.epoch, resumed, reason }, resumed ? cursor : this.log.length)];
    if (!resumed) frames.push(this.frame("snapshot", { series: this.#snapshot() }, this.log.length));
    frames.push(this.frame("heartbeat", { server_time: formatIso(ms(T0)), cursor: String(resumed ? cursor : this.log.length) }, resumed ? cursor : this.log.length));
    if (resumed) frames.push(...this.since(cursor));
    return frames.join("");
  }

  since(cursor: number): string[] {
    return this.log.slice(cursor).map((change, i) => this.frame("bucket_update", change, cursor + i + 1));
  }

  frame(event: string, data: unknown, cursor: number): string {
    return `event: ${event}\nid: ${this.epoch}.${cursor}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #snapshot() {
    return this.tickers.map((ticker) => {
      const all = this.rest(ticker);
      return { ticker, resolution: "1m", final: all.buckets.at(-1) ?? null, partial: all.partial_bucket };
    });
  }

  #put(ticker: string, index: number, bucket: WireBucket): void {
    this.#state.get(ticker)?.set(index, bucket);
    this.log.push({ ticker, resolution: "1m", bucket });
  }
}

/** A bucket in the page's own form, for tests that do not need the wire. */
export function bucketOf(index: number, change: Partial<Bucket> = {}): Bucket {
  const start = ms(T0 + index * SLOT);
  const zero = 0 as Bucket["open"];
  return {
    start, end: ms(start + SLOT), open: zero, high: zero, low: zero, close: zero, sum: zero, count: 1,
    positive: 0, neutral: 1, negative: 0, sources: ["rss"], modelVersions: ["m1"], rev: 1, isPartial: false,
    lastUpdated: start as Ms, ...change,
  };
}
