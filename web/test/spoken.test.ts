// @vitest-environment jsdom
import { beforeEach, expect, it } from "vitest";
import { Spoken } from "../src/app/spoken.tsx";
import { now, prefs, sync } from "../src/app/state.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { formatIso, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

const AAPL = "AAPL" as Subject;
const KEY = seriesKey(AAPL, "1m");
const open = (index: number): void => visit(`/?s=AAPL&at=${formatIso(bucketOf(index).start)}`);

beforeEach(() => {
  hide();
  prefs.value = { ...prefs.value, watched: [AAPL] };
  now.value = ms(bucketOf(1).start + 1_000);
  sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: KEY, generation: "g1", buckets: [bucketOf(0), bucketOf(1)], askedAtBreak: 0, full: true });
});

it("tells of the candle that is open once, however often it changes, and of another one when it is chosen", async () => {
  open(1);
  const root = await show(Spoken);
  const heard = new Set([root.textContent]);
  expect([...heard][0]).toContain("1 article");
  for (let rev = 2; rev < 22; rev++) {
    sync.value = reduce(sync.value, { kind: "updates", updates: [{ key: KEY, bucket: bucketOf(1, { rev, count: rev }), origin: null }] });
    await new Promise((done) => setTimeout(done, 20));
    heard.add(root.textContent);
  }
  expect(heard.size).toBe(1);
  open(0);
  await settle();
  expect(heard.has(root.textContent)).toBe(false);
  open(1);
  await settle();
  expect(root.textContent).toContain("21 articles");
});

it("tells of a chosen candle when it comes, and of none while the newest is followed", async () => {
  sync.value = INITIAL_SYNC;
  open(1);
  const root = await show(Spoken);
  expect(root.textContent).toBe("");
  sync.value = reduce(sync.value, { kind: "updates", updates: [{ key: KEY, bucket: bucketOf(1), origin: null }] });
  await settle();
  expect(root.textContent).toContain("1 article");
  visit("/?s=AAPL");
  await settle();
  expect(root.textContent).toBe("");
});

it("tells of a candle anew when it has closed", async () => {
  open(1);
  const root = await show(Spoken);
  now.value = bucketOf(1).end;
  sync.value = reduce(sync.value, { kind: "updates", updates: [{ key: KEY, bucket: bucketOf(1, { rev: 40, count: 40 }), origin: null }] });
  await settle();
  expect(root.textContent).toContain("40 articles");
});

it.each([
  ["closed", 0],
  ["open", 1],
])("tells what the server says of a candle from the cache, also where another generation is live: %s", async (_how, index) => {
  sync.value = reduce(INITIAL_SYNC, { kind: "cached", key: KEY, generation: "g1", buckets: [bucketOf(index)] });
  open(index);
  const root = await show(Spoken);
  expect(root.textContent).toContain("1 article");
  const answer = (generation: string, count: number): void => {
    const buckets = [bucketOf(index, { rev: count, count })];
    sync.value = reduce(sync.value, { kind: "fetched", key: KEY, generation, buckets, askedAtBreak: sync.value.breaks, full: true });
  };
  answer("g1", 99);
  await settle();
  expect(root.textContent).toContain("99 articles");
  answer("g2", 7);
  await settle();
  expect(root.textContent).toContain("7 articles");
});
