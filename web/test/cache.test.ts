import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it } from "vitest";
import { decode, encode } from "../src/model/columnar.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { DAY, type E4, ms } from "../src/model/units.ts";
import { SeriesCache } from "../src/store/cache.ts";
import { bucketOf } from "./fake_server.ts";

const AAPL = seriesKey("AAPL" as Subject, "1m");
const MSFT = seriesKey("MSFT" as Subject, "1m");
const day = Array.from({ length: 1_440 }, (_, i) =>
  bucketOf(i, { close: ((i * 37) % 10_001) as E4, low: -10_000 as E4, sum: (i * 9_999) as E4, count: i % 9, rev: 1 + (i % 5), isPartial: i === 1_439, lastUpdated: i % 2 === 0 ? null : ms(1_766_311_200_123 + i) }),
);

describe("the columnar form", () => {
  it("gives back exactly what it was given", () => {
    expect(decode(encode(day))).toEqual(day);
    expect(decode(encode([]))).toEqual([]);
  });

  it("is a small fraction of the JSON", () => {
    const columns = encode(day);
    const bytes = Object.values(columns).reduce((sum, column) => sum + (ArrayBuffer.isView(column) ? column.byteLength : 0), 0);
    expect(bytes).toBeLessThan(90_000);
    expect(bytes * 4).toBeLessThan(JSON.stringify(day).length);
  });

  it("drops what another version wrote", () => {
    expect(decode({ ...encode(day), version: 2 as never })).toBeNull();
  });
});

describe("the cache", () => {
  let cache: SeriesCache;
  beforeEach(() => {
    cache = new SeriesCache(`test-${Math.random()}`);
  });

  it("gives back the series with its generation, and a miss for another", async () => {
    await cache.write(AAPL, "g1", day, ms(5));
    expect(await cache.read(AAPL)).toEqual({ generation: "g1", savedAt: 5, buckets: day });
    expect(await cache.read(MSFT)).toBeNull();
  });

  it("forgets every other generation", async () => {
    await cache.write(AAPL, "g1", day, ms(5));
    await cache.write(MSFT, "g2", day, ms(5));
    await cache.keepOnly("g2");
    expect(await cache.read(AAPL)).toBeNull();
    expect(await cache.read(MSFT)).not.toBeNull();
  });

  it("forgets what is old", async () => {
    await cache.write(AAPL, "g1", day, ms(0));
    await cache.write(MSFT, "g1", day, ms(7 * DAY));
    await cache.tidy(ms(8 * DAY));
    expect(await cache.read(AAPL)).toBeNull();
    expect(await cache.read(MSFT)).not.toBeNull();
  });

  it("keeps what was saved last when there is too much", async () => {
    const keys = Array.from({ length: 90 }, (_, i) => seriesKey(`A${i}` as Subject, "1m"));
    for (const [i, key] of keys.entries()) await cache.write(key, "g1", day.slice(0, 1), ms((i * 37) % 90));
    await cache.tidy(ms(100));
    const kept = await Promise.all(keys.map(async (key, i) => ((await cache.read(key)) === null ? [] : [(i * 37) % 90])));
    expect(kept.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => 10 + i));
  });

  it("is a miss, not an error, where storage is forbidden", async () => {
    const real = globalThis.indexedDB;
    Object.defineProperty(globalThis, "indexedDB", { value: { open: () => { throw new DOMException("denied", "SecurityError"); } }, configurable: true });
    expect(await cache.read(AAPL)).toBeNull();
    await cache.write(AAPL, "g1", day, ms(1));
    Object.defineProperty(globalThis, "indexedDB", { value: real, configurable: true });
  });
});
