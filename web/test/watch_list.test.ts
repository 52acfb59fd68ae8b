// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { AddSubject } from "../src/app/add_subject.tsx";
import { GridPage } from "../src/app/grid_page.tsx";
import { loadPrefs, savePrefs } from "../src/app/prefs.ts";
import { now, prefs, subjects, sync, toldAt } from "../src/app/state.ts";
import { WatchList } from "../src/app/watch_list.tsx";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { HOUR, MINUTE, type Ms, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

const AAPL = "AAPL" as Subject;
const PUBLISHED = bucketOf(0).start;
const NOW = ms(PUBLISHED + 20 * HOUR);

/** A replay has written the candle anew, two minutes ago. */
const rewritten = bucketOf(0, { lastUpdated: ms(NOW - 2 * MINUTE) });

const know = (lastEventAt: Ms | null): void => {
  subjects.value = { subjects: [{ subject: AAPL, name: AAPL, count24h: 1, lastEventAt }], demoNote: null };
};

beforeEach(() => {
  hide();
  visit("/grid?w=AAPL");
  now.value = NOW;
  toldAt.value = {};
  prefs.value = { ...prefs.value, watched: [AAPL] };
  know(PUBLISHED);
  sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: seriesKey(AAPL, "1m"), generation: "g2", buckets: [rewritten], askedAtBreak: 0, full: true });
});

describe("how long ago the newest article about a subject was published", () => {
  it.each([["the list", WatchList, ".watch-age"], ["the grid", GridPage, ".cell-meta"]])("is not when a replay wrote its candle, in %s", async (_, page, place) => {
    const root = await show(page);
    const text = (): string => root.querySelector(place)?.textContent ?? "";
    expect(text()).toContain("20 h ago");
    toldAt.value = { [AAPL]: NOW - 3 * MINUTE };
    await settle();
    expect(text()).toContain("3 min ago");
  });

  it("is its candle's begin where nothing else is known", async () => {
    subjects.value = null;
    const root = await show(WatchList);
    expect(root.querySelector(".watch-age")?.textContent).toBe("20 h ago");
    sync.value = INITIAL_SYNC;
    know(null);
    await settle();
    expect(root.querySelector(".watch-age")?.textContent).toBe("no news yet");
  });
});

it("says so when another page has filled the list meanwhile", async () => {
  localStorage.clear();
  visit("/");
  const root = await show(AddSubject);
  savePrefs({ ...loadPrefs(), watched: ["AAPL", "MSFT", "TSLA", "NVDA", "AMZN"] as Subject[] });
  const field = root.querySelector<HTMLInputElement>("#add-subject")!;
  field.value = "META";
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
  root.querySelector("form")!.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
  await settle();
  expect(root.querySelector("#add-problem")?.textContent?.trim()).toBe("The list is full: another page has filled it.");
});
