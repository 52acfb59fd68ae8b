// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { GridPage } from "../src/app/grid_page.tsx";
import { Stage } from "../src/app/stage.tsx";
import { hovered, link, now, prefs, sync } from "../src/app/state.ts";
import { stepCandle } from "../src/app/stepping.ts";
import { INITIAL_LINK, type Link } from "../src/model/protocol.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { decimalText } from "../src/model/share.ts";
import { e4, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, press, settle, show, visit } from "./page.ts";

vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));
vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

const AAPL = "AAPL" as Subject;
const said = (place: string): string => document.querySelector(place)?.textContent ?? "";

beforeEach(() => {
  hide();
  hovered.value = null;
  link.value = INITIAL_LINK;
  prefs.value = { ...prefs.value, watched: [AAPL] };
  const buckets = [0, 1, 2, 3].map((i) => bucketOf(i, { close: e4(i * 1_000), count: 1_234 }));
  sync.value = reduce(INITIAL_SYNC, { kind: "fetched", key: seriesKey(AAPL, "1m"), generation: "g1", buckets, askedAtBreak: 0, full: true });
});

describe("the legend", () => {
  it("names the selected candle, not the one the crosshair of another page stood at", async () => {
    visit("/grid?s=AAPL");
    await show(GridPage);
    const cell = document.querySelector<HTMLElement>(".cell-chart") ?? document.body;
    for (const key of ["ArrowLeft", "ArrowLeft", "Enter"]) press(cell, key);
    await settle();
    await show(Stage);
    expect(said(".legend")).toContain("C +0.20");
    stepCandle("first");
    await settle();
    expect(said(".legend")).toContain("C 0.00");
  });

  it("writes numbers as the reader's language does", async () => {
    visit("/?s=AAPL");
    await show(Stage);
    expect(said(".legend")).toContain(`n ${(1_234).toLocaleString()}`);
    expect(decimalText(-1_234.5, 2)).toBe((-1_234.5).toLocaleString(undefined, { minimumFractionDigits: 2 }).replace("-", "\u2212"));
  });
});

describe("a window that has news but has not begun", () => {
  it("is not the live candle, nor the newest", async () => {
    visit("/?s=AAPL");
    now.value = ms(bucketOf(2).start + 15_000);
    await show(Stage);
    expect(said(".progress-line")).toContain("closes in 0:45");
    expect(said(".subject-score")).toContain("+0.20");
    now.value = ms(bucketOf(3).start);
    await settle();
    expect(said(".progress-line")).toContain("closes in 1:00");
    expect(said(".subject-score")).toContain("+0.30");
  });
});

describe("that no candle is open", () => {
  const after = async (phase: Link["phase"]): Promise<string> => {
    visit("/?s=AAPL");
    now.value = ms(bucketOf(63).start);
    link.value = { ...INITIAL_LINK, phase, heardAt: now.value };
    await show(Stage);
    return said(".progress-line");
  };

  it.each(["open", "polling"] as const)("is said when news would be known of: %s", async (phase) => {
    expect(await after(phase)).toContain("No candle is open");
  });

  it("is not said of a series that may have grown unseen", async () => {
    sync.value = reduce(sync.value, { kind: "doubt", keys: [seriesKey(AAPL, "1m")] });
    expect(await after("open")).toBe("");
  });

  it.each(["offline", "waiting", "connecting", "stopped"] as const)("is not said when nobody knows: %s", async (phase) => {
    expect(await after(phase)).toBe("");
  });
});
