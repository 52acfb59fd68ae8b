// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import { settle } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

it("shows candles though the browser gives it no worker at all", async () => {
  const refuse = class {
    constructor() {
      throw new DOMException("denied", "SecurityError");
    }
  };
  vi.stubGlobal("SharedWorker", refuse);
  vi.stubGlobal("Worker", refuse);
  const asked: string[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url);
    return Promise.resolve(Response.json({ subjects: [{ subject: "AAPL" }] }));
  });
  document.body.innerHTML = '<div id="root"></div>';
  await import("../src/app/main.tsx");
  await settle();
  expect(document.querySelector("#root .topbar")).not.toBeNull();
  await vi.waitFor(() => expect(asked.some((url) => url.includes("/timeseries/AAPL"))).toBe(true), 3_000);
});
