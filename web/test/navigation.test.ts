// @vitest-environment jsdom
import { h } from "preact";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { AddSubject } from "../src/app/add_subject.tsx";
import { listenForKeys } from "../src/app/keyboard.ts";
import { cycleTheme, followHistory, go, selectCandle, selectResolution } from "../src/app/navigation.ts";
import { PageLink } from "../src/app/page_link.tsx";
import { loadPrefs, savePrefs } from "../src/app/prefs.ts";
import { hovered, prefs, route, selected, sync, watched } from "../src/app/state.ts";
import { stepCandle } from "../src/app/stepping.ts";
import { copyLink } from "../src/app/take_along.ts";
import { moveWatched, unwatch, watch } from "../src/app/watch_edits.ts";
import { WatchList } from "../src/app/watch_list.tsx";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, press, settle, show, visit } from "./page.ts";

const AAPL = "AAPL" as Subject;
const MSFT = "MSFT" as Subject;
const TSLA = "TSLA" as Subject;
const LIST = [AAPL, MSFT, TSLA];

listenForKeys();
followHistory();

beforeEach(() => {
  hide();
  localStorage.clear();
  prefs.value = { ...loadPrefs(), watched: LIST };
  sync.value = INITIAL_SYNC;
});

describe("the address", () => {
  it("leads from a page that does not exist to the candles", async () => {
    visit("/foo");
    const root = await show(() => h(PageLink, { page: "live", label: "Live" }));
    root.querySelector("a")?.click();
    expect([route.value.page, location.pathname]).toEqual(["live", "/"]);
    visit("/foo");
    press(document.body, "g");
    press(document.body, "l");
    expect([route.value.page, location.pathname]).toEqual(["live", "/"]);
  });

  it("gets no entry for the place the reader is at", () => {
    visit("/grid");
    const before = window.history.length;
    go({ page: "grid" });
    expect(window.history.length).toBe(before);
  });

  it("follows a key that is held without a call for every step, and before the next entry", async () => {
    const buckets = [...Array(100).keys()].map((i) => bucketOf(i));
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: seriesKey(AAPL, "1m"), generation: "g1", buckets, askedAtBreak: 0, full: true });
    visit("/?s=AAPL");
    const written = vi.spyOn(window.history, "replaceState");
    for (let i = 0; i < 50; i++) stepCandle(-1);
    expect(route.value.at).toBe(bucketOf(49).start);
    await settle();
    await settle();
    expect(written).toHaveBeenCalledTimes(1);
    expect(location.search).toContain("at=2025-12-21T10:49");
    stepCandle(-1);
    go({ page: "grid", at: null });
    expect(location.pathname + location.search).toBe("/grid?s=AAPL");
    window.history.back();
    await settle();
    expect(location.search).toContain("at=2025-12-21T10:48");
    expect(route.value.at).toBe(bucketOf(48).start);
    written.mockRestore();
  });
});

describe("a link to what is shown", () => {
  const steps = [bucketOf(0), bucketOf(1)];
  beforeEach(() => {
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: seriesKey(AAPL, "1m"), generation: "g1", buckets: steps, askedAtBreak: 0, full: true });
  });

  it.each([
    ["a candle that is selected", () => selectCandle(bucketOf(0).start)],
    ["a candle that is stepped to", () => stepCandle(-1)],
    ["a resolution", () => selectResolution("1h")],
  ])("names the subject of %s: others watch other subjects", (_what, act) => {
    visit("/");
    act();
    expect(route.value.subject).toBe(AAPL);
  });

  it.each([
    ["/", "/?s=AAPL"],
    ["/?s=TSLA&r=1h", "/?s=TSLA&r=1h"],
    ["/grid?r=1h", "/grid?s=AAPL&r=1h&w=AAPL,MSFT,TSLA"],
  ])("is copied from %s as %s", async (address, link) => {
    const copied: string[] = [];
    vi.stubGlobal("navigator", { clipboard: { writeText: async (text: string) => void copied.push(text) } });
    visit(address);
    expect(await copyLink()).toBe("Copied.");
    vi.unstubAllGlobals();
    expect(copied).toEqual([location.origin + link]);
  });
});

describe("what the reader chose", () => {
  it("is not taken back by another tab that knows less", () => {
    savePrefs({ ...loadPrefs(), watched: [AAPL, TSLA] });
    cycleTheme();
    expect(loadPrefs()).toMatchObject({ theme: "light", watched: [AAPL, TSLA] });
    expect(prefs.value.watched).toEqual(LIST);
  });

  it("is added to what another tab has added", () => {
    const [nvda, amzn] = ["NVDA" as Subject, "AMZN" as Subject];
    visit("/");
    savePrefs({ ...loadPrefs(), watched: [AAPL, MSFT, TSLA, nvda] });
    watch(amzn);
    expect(loadPrefs().watched).toEqual([AAPL, MSFT, TSLA, nvda, amzn]);
    expect(watched.value).toEqual([AAPL, MSFT, TSLA, nvda, amzn]);
    savePrefs({ ...loadPrefs(), watched: [AAPL, MSFT, nvda, amzn] });
    unwatch(amzn);
    expect(loadPrefs().watched).toEqual([AAPL, MSFT, nvda]);
  });

  it("is never emptied, though another tab has left only what is taken off here", () => {
    visit("/");
    savePrefs({ ...loadPrefs(), watched: [AAPL] });
    unwatch(AAPL);
    expect([watched.value, loadPrefs().watched]).toEqual([[MSFT, TSLA], [MSFT, TSLA]]);
  });

  it("gains nothing when a subject is moved that another tab has taken off", () => {
    savePrefs({ ...loadPrefs(), watched: [AAPL, TSLA] });
    visit("/");
    moveWatched(MSFT, 0);
    expect(loadPrefs().watched).toEqual([AAPL, TSLA]);
  });
});

describe("the list of an address", () => {
  const [nvda, amzn] = ["NVDA" as Subject, "AMZN" as Subject];

  it("is changed alone: the reader's own stays as it is", () => {
    savePrefs({ ...loadPrefs(), watched: LIST });
    visit("/?w=TSLA,NVDA");
    moveWatched(nvda, 0);
    expect(watched.value).toEqual([nvda, TSLA]);
    watch(amzn);
    unwatch(TSLA);
    expect(watched.value).toEqual([nvda, amzn]);
    expect([loadPrefs().watched, prefs.value.watched]).toEqual([LIST, LIST]);
  });
});

describe("the keys of the candles", () => {
  beforeEach(() => {
    const buckets = [bucketOf(0, {}), bucketOf(1, {}), bucketOf(2, {})];
    const answer = { key: seriesKey(AAPL, "1m"), generation: "g1", buckets, askedAtBreak: 0, full: true };
    sync.value = reduce(INITIAL_SYNC, { kind: "fetched", ...answer });
  });

  it.each(["/ops", "/runs", "/records", "/analytics", "/foo"])("leave %s alone", (address) => {
    visit(address);
    for (const key of ["ArrowLeft", "ArrowRight", "j", "k", "l", "f", "3"]) {
      expect(press(document.body, key).defaultPrevented, key).toBe(false);
    }
    expect(location.pathname + location.search).toBe(address);
  });

  it.each(["/?s=AAPL&r=1m", "/grid?s=AAPL&r=1m", "/runs/r1?s=AAPL&r=1m"])("step on %s", (address) => {
    visit(address);
    expect(press(document.body, "ArrowLeft").defaultPrevented).toBe(true);
    expect(route.value.at).toBe(bucketOf(1, {}).start);
  });

  it("take the crosshair's place: the legend names the candle they reach", () => {
    visit("/?s=AAPL&r=1m");
    hovered.value = bucketOf(2).start;
    press(document.body, "ArrowLeft");
    expect(hovered.value).toBeNull();
  });

  it("lead to the ends of the chart in focus, and scroll elsewhere", () => {
    visit("/?s=AAPL&r=1m");
    expect(press(document.body, "Home").defaultPrevented).toBe(false);
    const chart = document.body.appendChild(document.createElement("div"));
    chart.className = "chart-frame";
    expect(press(chart, "Home").defaultPrevented).toBe(true);
    expect(route.value.at).toBe(bucketOf(0).start);
    press(chart, "End");
    expect(route.value.at).toBe(bucketOf(2).start);
  });

  it("begin at the candle the address names, though it is in no series", () => {
    visit(`/?s=AAPL&r=1m&at=${new Date(bucketOf(0).start - 60_000).toISOString()}`);
    press(document.body, "ArrowRight");
    expect(route.value.at).toBe(bucketOf(0).start);
  });

  it("let a table be scrolled, on a run's page too", () => {
    visit("/runs/r1?s=AAPL&r=1m");
    const table = document.body.appendChild(document.createElement("div"));
    table.className = "table-scroll";
    expect(press(table, "ArrowRight").defaultPrevented).toBe(false);
    expect(route.value.at).toBeNull();
  });

  it("make one entry of history while j is held", () => {
    visit("/?s=AAPL");
    press(document.body, "j");
    const before = window.history.length;
    press(document.body, "j", { repeat: true });
    press(document.body, "j", { repeat: true });
    expect([route.value.subject, window.history.length]).toEqual([AAPL, before]);
  });

  it("stay on a run's page with the next subject", () => {
    visit("/runs/r1?s=AAPL");
    press(document.body, "j");
    expect(route.value).toMatchObject({ page: "runs", id: "r1", subject: MSFT });
  });
});

describe("the watch list", () => {
  const rows = (): string[] => [...document.querySelectorAll(".watch-name")].map((each) => each.textContent ?? "");
  const focused = (): string => document.activeElement?.querySelector(".watch-name")?.textContent ?? "";
  const rowOf = (name: string): HTMLElement => {
    const all = [...document.querySelectorAll<HTMLElement>(".watch-row")];
    const found = all.find((row) => row.textContent?.startsWith(name));
    if (found === undefined) throw new Error(`no row of ${name}`);
    return found;
  };

  it("keeps the focus on a row that is moved", async () => {
    visit("/");
    await show(WatchList);
    rowOf("AAPL").focus();
    for (const expected of [["MSFT", "AAPL", "TSLA"], ["MSFT", "TSLA", "AAPL"]]) {
      press(document.activeElement ?? document.body, "ArrowDown", { altKey: true });
      await settle();
      expect(rows()).toEqual(expected);
      expect(focused()).toBe("AAPL");
    }
    press(document.activeElement ?? document.body, "ArrowUp", { altKey: true });
    await settle();
    expect(focused()).toBe("AAPL");
  });

  it("gives the focus to the next row when one is removed, to the last one at the end", async () => {
    visit("/");
    await show(WatchList);
    for (const [gone, next] of [["MSFT", "TSLA"], ["TSLA", "AAPL"]] as const) {
      const remove = document.querySelector<HTMLElement>(`[aria-label="Stop watching ${gone}"]`);
      remove?.focus();
      remove?.click();
      await settle();
      expect(rows()).not.toContain(gone);
      expect(focused()).toBe(next);
    }
  });

  it("leaves the focus where it is when the list changes by itself", async () => {
    visit("/");
    const root = await show(WatchList);
    const elsewhere = root.appendChild(document.createElement("button"));
    elsewhere.focus();
    unwatch(MSFT);
    await settle();
    expect(document.activeElement).toBe(elsewhere);
  });

  it("shows the same subject when its rows change places", () => {
    visit("/");
    moveWatched(AAPL, 1);
    expect(prefs.value.watched).toEqual([MSFT, AAPL, TSLA]);
    expect(selected.value).toBe(AAPL);
    visit("/");
    moveWatched(TSLA, 1);
    expect([selected.value, location.search]).toEqual([MSFT, ""]);
  });
});

describe("the field that adds a subject", () => {
  it("keeps the focus when the list is full with it, and adds no more", async () => {
    prefs.value = { ...prefs.value, watched: [...LIST, "NVDA" as Subject] };
    visit("/");
    await show(AddSubject);
    const field = document.querySelector<HTMLInputElement>("#add-subject");
    if (field === null) throw new Error("no field");
    const add = async (name: string): Promise<void> => {
      field.value = name;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.form?.dispatchEvent(new Event("submit", { cancelable: true }));
      await settle();
    };
    field.focus();
    await add("AMZN");
    expect(watched.value.length).toBe(5);
    expect([document.activeElement, field.readOnly]).toEqual([field, true]);
    await add("META");
    expect([watched.value.length, selected.value]).toEqual([5, "AMZN"]);
  });
});

describe("a key that was pressed before its part was there", () => {
  const pressed = (): KeyboardEvent => new KeyboardEvent("keydown", { key: "4" });

  it("is answered when the part comes", () => {
    visit("/?r=10m");
    listenForKeys([pressed()]);
    expect(route.value.resolution).toBe("1h");
  });

  it("is forgotten when that took long", () => {
    visit("/?r=10m");
    const early = pressed();
    const now = vi.spyOn(performance, "now").mockReturnValue(early.timeStamp + 3_001);
    listenForKeys([early]);
    now.mockRestore();
    expect(route.value.resolution).toBe("10m");
  });
});
