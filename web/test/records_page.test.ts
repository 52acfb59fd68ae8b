// @vitest-environment jsdom
import { h } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordDetail } from "../src/app/record_detail.tsx";
import { leftFor, list, loadMore } from "../src/app/record_list_state.ts";
import { RecordsPage } from "../src/app/records_page.tsx";
import { link, now, prefs } from "../src/app/state.ts";
import { INITIAL_LINK, type Link } from "../src/model/protocol.ts";
import type { Heartbeat } from "../src/model/stream_event.ts";
import { formatIso, ms } from "../src/model/units.ts";
import { hide, settle, show, visit } from "./page.ts";

const drawn = vi.hoisted(() => ({ times: 0 }));
vi.mock("../src/app/record_rows.tsx", async (original) => {
  const rows = await original<typeof import("../src/app/record_rows.tsx")>();
  const RecordTable: typeof rows.RecordTable = (props) => {
    drawn.times += 1;
    return rows.RecordTable(props);
  };
  return { ...rows, RecordTable };
});

const NOON = ms(Date.parse("2025-12-21T12:00:00Z"));
const MINUTE = 60_000;

/** Answers a question about records when the test says so, unless it is given up before. */
class SlowServer {
  #waiting: { readonly url: string; readonly answer: (body: unknown) => void }[] = [];

  readonly fetch = (url: string, how: RequestInit): Promise<Response> =>
    new Promise((resolve, reject) => {
      how.signal?.addEventListener("abort", () => reject(new DOMException("given up", "AbortError")));
      this.#waiting.push({ url, answer: (body) => resolve(new Response(JSON.stringify(body))) });
    });

  /** One article, ingested so many minutes after noon, to every question that names `part`. */
  async answer(part: string, title: string, minute = 0): Promise<void> {
    const ingested = formatIso(ms(NOON + minute * MINUTE));
    const item = { source_id: `rss#${title}`, ingested_at: ingested, source_type: "rss", metadata: { title, published_at: ingested } };
    const isAsked = ({ url }: { readonly url: string }): boolean => url.includes("/items?") && url.includes(part);
    await vi.waitFor(() => expect(this.#waiting.some(isAsked)).toBe(true), 5_000);
    const asked = this.#waiting.filter(isAsked);
    this.#waiting = this.#waiting.filter((question) => !asked.includes(question));
    for (const { answer } of asked) answer({ items: [item], count: 1, next_cursor: null });
    await settle();
  }
}

let server: SlowServer;
const titles = (): (string | null)[] => [...document.querySelectorAll(".record-title")].map((each) => each.textContent);
const offer = (): HTMLElement | null => document.querySelector(".records-newer");

/** The newest ingest the stream tells of. */
function hear(minute: number): void {
  const heartbeat = { newestIngestAt: ms(NOON + minute * MINUTE) } as Heartbeat;
  link.value = { ...INITIAL_LINK, heartbeat } as Link;
}

async function open(address: string): Promise<void> {
  visit(address);
  await settle();
}

beforeEach(() => {
  hide();
  server = new SlowServer();
  vi.stubGlobal("fetch", server.fetch);
  link.value = INITIAL_LINK;
  leftFor.value = null;
});

// The first: the list of a page outlives its parts, and here none must have been read yet.
describe("records that could not be loaded", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it("appear when the server answers again, as the page says", async () => {
    vi.useFakeTimers();
    let [down, asked] = [true, 0];
    vi.stubGlobal("fetch", async (url: string) => {
      if (url.includes("/items?")) asked += 1;
      if (down) throw new TypeError("refused");
      return Response.json({ items: [{ source_id: "rss#1", ingested_at: formatIso(NOON), metadata: { title: "a headline" } }], next_cursor: null });
    });
    visit("/records?source=finnhub");
    const shown = show(RecordsPage);
    await vi.advanceTimersByTimeAsync(1_000);
    await shown;
    expect(document.querySelector(".nothing")?.textContent).toContain("appear here when the server answers again");
    await vi.advanceTimersByTimeAsync(25_000);
    expect(asked).toBe(3);
    down = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(titles()).toEqual(["a headline"]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(4);
  });
});

describe("the records", () => {
  it("are those of the address, whichever answer comes last", async () => {
    visit("/records?label=negative");
    await show(RecordsPage);
    await server.answer("sentiment=negative", "bad news");
    expect(titles()).toEqual(["bad news"]);
    await open("/records?label=positive");
    await open("/records?label=negative");
    await server.answer("sentiment=positive", "good news");
    await server.answer("sentiment=negative", "bad news");
    expect(titles()).toEqual(["bad news"]);
  });
});

describe("records that lie further back", () => {
  let down = false;
  const rows = (): number => titles().length;
  const button = (text: string): HTMLButtonElement | undefined => [...document.querySelectorAll("button")].find((each) => each.textContent === text);
  const click = async (text: string): Promise<void> => {
    button(text)?.click();
    await settle();
  };

  /** Two pages of thirty for every label. */
  beforeEach(() => {
    down = false;
    vi.stubGlobal("fetch", async (url: string) => {
      if (down) throw new TypeError("refused");
      const label = /sentiment=(\w+)/.exec(url)?.[1];
      const from = url.includes("cursor=") ? 30 : 0;
      const items = Array.from({ length: 30 }, (_, i) => ({ source_id: `${label}#${from + i}`, metadata: { title: `${label} ${from + i}` } }));
      return Response.json({ items, next_cursor: from === 0 ? "next" : null });
    });
  });

  it("are not those of another question: one that failed is asked again instead", async () => {
    visit("/records?label=positive");
    await show(RecordsPage);
    down = true;
    await open("/records?label=negative");
    down = false;
    expect(button("Older records")?.disabled).toBe(true);
    await loadMore({ label: "negative" });
    await settle();
    expect([rows(), document.querySelector(".page-problem")]).toEqual([30, expect.anything()]);
    await click("Try again");
    expect([rows(), titles()[0]]).toEqual([30, "negative 0"]);
  });

  it("are asked for again when they could not be loaded, and nothing loaded is lost", async () => {
    visit("/records?label=positive");
    await show(RecordsPage);
    down = true;
    await click("Older records");
    await show(RecordsPage);
    down = false;
    expect(rows()).toBe(30);
    await click("Try again");
    expect([rows(), document.querySelector(".page-problem")]).toEqual([60, null]);
  });
});

describe("the time of a record", () => {
  it("has its date when it was yesterday, though less than 24 hours ago", async () => {
    prefs.value = { ...prefs.value, zone: "utc" };
    now.value = NOON;
    visit("/records?model=times");
    await show(RecordsPage);
    await server.answer("model=times", "in the evening", -12 * 60 - 10);
    expect(document.querySelector(".record-time")?.textContent).toMatch(/20/);
    await open("/records?model=today");
    await server.answer("model=today", "in the morning", -10);
    expect(document.querySelector(".record-time")?.textContent).toMatch(/^11:50:00/);
  });
});

describe("one record", () => {
  const item = { source_id: "rss#1", ingested_at: formatIso(NOON), source_type: "rss", matched_tickers: ["AAPL"], metadata: { title: "a headline" } };
  const said = async (answers: (url: string) => Response): Promise<string> => {
    vi.stubGlobal("fetch", async (url: string) => answers(url));
    visit("/records/rss%231");
    return (await show(() => h(RecordDetail, { id: "rss#1" }))).textContent ?? "";
  };
  const refuse = (status: number): Response => Response.json({ detail: "not today" }, { status });

  it("is shown though its candles can not be", async () => {
    const text = await said((url) => (url.includes("/candles") ? refuse(503) : Response.json(item)));
    expect(text).toContain("a headline");
    expect(text).toContain("not today");
    expect(document.querySelector(".record-candles-skeleton")).toBeNull();
  });

  it("is said to be gone when it is", async () => {
    list.value = { ...list.value, records: [] };
    expect(await said(() => refuse(404))).toContain("There is no such record");
  });

  it("is said to be gone though the list still had it", async () => {
    visit("/records?source=gone");
    vi.stubGlobal("fetch", async () => Response.json({ items: [item], next_cursor: null }));
    await show(RecordsPage);
    const text = await said(() => refuse(404));
    expect(text).toContain("a headline");
    expect(text).toContain("no longer kept");
    expect(document.querySelector(".record-candles-skeleton")).toBeNull();
  });
});

describe("the offer of newer records", () => {
  it("comes when something was taken in after the list was read, and goes with the next reading", async () => {
    hear(30);
    visit("/records?label=neutral");
    await show(RecordsPage);
    await server.answer("sentiment=neutral", "long ago", 0);
    expect(offer()).toBeNull();
    hear(31);
    await settle();
    expect(offer()).not.toBeNull();
    offer()?.click();
    await server.answer("sentiment=neutral", "long ago", 0);
    expect(offer()).toBeNull();
  });

  it("draws no row anew while the stream goes on telling of news", async () => {
    hear(30);
    visit("/records?model=still");
    await show(RecordsPage);
    await server.answer("model=still", "long ago", 0);
    hear(31);
    await settle();
    const before = drawn.times;
    for (const minute of [32, 33, 34]) {
      hear(minute);
      await settle();
    }
    expect([drawn.times, offer()]).toEqual([before, expect.anything()]);
  });

  it("does not come for what the list shows already", async () => {
    hear(30);
    visit("/records?source=rss");
    await show(RecordsPage);
    await server.answer("source=rss", "just in", 40);
    hear(40);
    await settle();
    expect(offer()).toBeNull();
  });

  it("comes on a page that was opened before the stream was heard", async () => {
    now.value = ms(NOON + 30 * MINUTE);
    visit("/records?source=tiingo");
    await show(RecordsPage);
    await server.answer("source=tiingo", "long ago", 0);
    hear(29);
    await settle();
    expect(offer()).toBeNull();
    hear(31);
    await settle();
    expect(offer()).not.toBeNull();
  });
});
