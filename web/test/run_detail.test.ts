// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RunDetailPage } from "../src/app/run_detail.tsx";
import { hide, settle, show, visit } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));
vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));

const RUN = { id: "b", generation: "g9", state: "completed", live: "g1", units_done: 1, units_total: 1 };

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
});
