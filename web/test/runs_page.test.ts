// @vitest-environment jsdom
import { afterEach, expect, it, vi } from "vitest";
import { RunsPage } from "../src/app/runs_page.tsx";
import { hide, show, visit } from "./page.ts";

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it("asks for the runs again and again, but not while nobody looks", async () => {
  vi.useFakeTimers();
  let asked = 0;
  vi.stubGlobal("fetch", async () => {
    asked += 1;
    return Response.json({ live: "g1", runs: [] });
  });
  visit("/runs");
  void show(RunsPage);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(asked).toBe(3);
  const looked = vi.spyOn(document, "hidden", "get").mockReturnValue(true);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(asked).toBe(3);
  looked.mockReturnValue(false);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(asked).toBe(4);
  hide();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(4);
});
