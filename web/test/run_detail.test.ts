// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { h } from "preact";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RunDetailPage } from "../src/app/run_detail.tsx";
import { RunReport } from "../src/app/run_report.tsx";
import { parseReport, parseRunDetail } from "../src/model/runs.ts";
import { hide, settle, show, visit } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));
vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));

const RUN = { id: "b", generation: "g9", state: "completed", live: "g1", units_done: 1, units_total: 1 };

const REPORT = { a: "g1", b: "g9", at: "2025-12-21T10:00:00Z", complete: true, breaches: [] };
const bucket = (close: number) => ({
  start: "2025-12-21T10:00:00Z", end: "2025-12-21T11:00:00Z", open: close, high: close, low: close, close, sum: close, count: 1,
  label_counts: { positive: 0, neutral: 1, negative: 0 }, sources: ["rss"], model_versions: ["m"], rev: 1, is_partial: false,
  open_at: { time: "2025-12-21T10:00:00Z", event_id: "a" }, close_at: { time: "2025-12-21T10:00:00Z", event_id: "a" },
  last_updated: "2025-12-21T11:00:00Z",
});

beforeEach(() => {
  hide();
  vi.stubGlobal("fetch", async (path: string) => {
    if (path.endsWith("/runs/b")) return Response.json(RUN);
    throw new TypeError("refused");
  });
});

describe("the page of a run", () => {
  it("shows nothing of the run before it, least of all its buttons", async () => {
    visit("/runs/b");
    const root = await show(RunDetailPage);
    await settle();
    expect(root.querySelector(".run-actions")?.textContent).toContain("Promote");
    visit("/runs/a");
    await settle();
    expect(root.querySelector("h1")).toBeNull();
    expect(root.querySelector(".run-actions")).toBeNull();
    expect(root.textContent).toContain("cannot be reached");
  });

  it("tells no difference from what was live as one from what is", async () => {
    const worst = [{ ticker: "AAPL", resolution: "1h", difference: 0.9, a: bucket(-0.5), b: bucket(0.4) }];
    vi.stubGlobal("fetch", async () => Response.json({ worst }));
    const run = parseRunDetail(RUN);
    const report = parseReport(REPORT);
    const names = signal({ before: "g1", after: "g9" });
    const root = await show(() => h(RunReport, { run, report, worst: [], names: names.value }));
    const find = (): HTMLButtonElement | undefined => [...root.querySelectorAll("button")].find((each) => each.textContent?.startsWith("Find the 20"));
    find()?.click();
    await vi.waitFor(() => expect(root.textContent).toContain("−0.50"));
    names.value = { before: "g3", after: "g9" };
    await settle();
    expect(root.textContent).not.toContain("−0.50");
    expect(find()).toBeDefined();
  });
});
