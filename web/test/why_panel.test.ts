// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { link, now, sync } from "../src/app/state.ts";
import { WhyPanel } from "../src/app/why_panel.tsx";
import { INITIAL_LINK } from "../src/model/protocol.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { DAY, MINUTE, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));

const KEY = seriesKey("AAPL" as Subject, "1m");
const api = {
  live: "g1",
  calls: 0,
  refuses: false,
  articles: 1,
  async fetch(): Promise<Response> {
    api.calls += 1;
    if (api.refuses) return Response.json({ detail: "Too many requests" }, { status: 429 });
    const row = { event_id: api.live, title: `read by ${api.live}` };
    return Response.json({ articles: Array(api.articles).fill(row) });
  },
};

function answer(generation: string): void {
  api.live = generation;
  const [buckets, askedAtBreak] = [[bucketOf(0)], sync.value.breaks];
  sync.value = reduce(sync.value, { kind: "fetched", key: KEY, generation, buckets, askedAtBreak, full: true });
}

/** News comes in: the candle has another revision. */
function revise(rev: number, count = rev): void {
  sync.value = reduce(sync.value, { kind: "updates", updates: [{ key: KEY, bucket: bucketOf(0, { rev, count }), origin: null }] });
}

const title = (): string | null => document.querySelector(".article-title")?.textContent ?? null;

beforeEach(() => {
  hide();
  visit("/?s=AAPL");
  sync.value = INITIAL_SYNC;
  link.value = INITIAL_LINK;
  Object.assign(api, { live: "g1", calls: 0, refuses: false, articles: 1 });
  vi.stubGlobal("fetch", api.fetch);
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the articles of a candle", () => {
  it("are those of the generation that is shown, though its revision is the same", async () => {
    answer("g1");
    await show(WhyPanel);
    await settle();
    expect(title()).toBe("read by g1");
    answer("g2");
    await settle();
    await settle();
    expect(title()).toBe("read by g2");
  });

  it("are asked for while the candle changes without end, and not for each change", async () => {
    vi.useFakeTimers();
    answer("g1");
    const shown = show(WhyPanel);
    await vi.advanceTimersByTimeAsync(500);
    await shown;
    for (let rev = 2; rev < 42; rev++) {
      revise(rev, 1);
      await vi.advanceTimersByTimeAsync(250);
    }
    expect(api.calls).toBeGreaterThan(5);
    expect(api.calls).toBeLessThan(15);
    await vi.advanceTimersByTimeAsync(30_000);
    const settled = api.calls;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(api.calls).toBe(settled);
  });

  it("are waited for anew at every revision, some of the time", async () => {
    vi.useFakeTimers();
    answer("g1");
    const shown = show(WhyPanel);
    await vi.advanceTimersByTimeAsync(500);
    await shown;
    for (const rev of [2, 3]) {
      api.calls = 0;
      revise(rev);
      await vi.advanceTimersByTimeAsync(60_000);
      expect(api.calls).toBe(6);
    }
  });

  it.each([["not arrived yet", 5 * MINUTE], ["no longer stored", 2 * DAY]])("are %s where there are none, by the age of the candle", async (text, age) => {
    vi.useFakeTimers();
    api.articles = 0;
    now.value = ms(bucketOf(0).end + age);
    answer("g1");
    const shown = show(WhyPanel);
    await vi.advanceTimersByTimeAsync(60_000);
    await shown;
    expect(document.querySelector(".panel-note")?.textContent).toContain(text);
    api.articles = 1;
    document.querySelector<HTMLElement>(".panel-note button")?.click();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(title()).toBe(text === "not arrived yet" ? "read by g1" : null);
  });

  it("stay when a question is refused, and can be asked for again", async () => {
    answer("g1");
    await show(WhyPanel);
    expect(title()).toBe("read by g1");
    api.refuses = true;
    revise(2, 1);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(title()).toBe("read by g1");
    expect(document.querySelector(".articles.stale")).not.toBeNull();
    expect(document.querySelector(".panel-note")?.textContent).toContain("Too many requests");
    api.refuses = false;
    document.querySelector<HTMLElement>(".panel-note button")?.click();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(document.querySelector(".panel-note")).toBeNull();
    expect(document.querySelector(".articles.stale")).toBeNull();
  });

  it.each([
    ["the series is fetched anew after a break", () => {
      sync.value = reduce(sync.value, { kind: "resync", epoch: "g1" });
      answer("g1");
    }],
    ["the stream is open again", () => (link.value = { ...INITIAL_LINK, phase: "open" })],
  ])("come without being asked for when %s", async (_, mend) => {
    api.refuses = true;
    answer("g1");
    await show(WhyPanel);
    expect(title()).toBeNull();
    api.refuses = false;
    mend();
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(title()).toBe("read by g1");
  });
});

it("articles that were refused are asked for again once the server is back, though its changes are polled", async () => {
  vi.useFakeTimers();
  answer("g1");
  api.refuses = true;
  visit(`/?s=AAPL&at=${new Date(bucketOf(0).start).toISOString().replace(".000Z", "Z")}`);
  link.value = { ...INITIAL_LINK, phase: "waiting", failures: 3 };
  void show(WhyPanel);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(document.querySelector(".panel-note")?.textContent).toContain("could not be loaded");
  api.refuses = false;
  link.value = { ...INITIAL_LINK, phase: "polling", heardAt: ms(Date.now()) };
  await vi.advanceTimersByTimeAsync(120_000);
  expect(document.querySelector(".panel-note")?.textContent ?? "").not.toContain("could not be loaded");
  expect(title()).toBe("read by g1");
});

it("the focus is somewhere after the newest candle was asked for", async () => {
  answer("g1");
  visit(`/?s=AAPL&at=${new Date(bucketOf(0).start).toISOString().replace(".000Z", "Z")}`);
  await show(WhyPanel);
  const button = [...document.querySelectorAll<HTMLElement>("button")].find((each) => each.textContent === "Newest")!;
  button.focus();
  button.click();
  await settle();
  expect(document.activeElement).not.toBe(document.body);
});
