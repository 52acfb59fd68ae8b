// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import { settle } from "./page.ts";

vi.mock("../src/view/chart.ts", () => import("./fake_chart.ts"));

it("fills the page though the browser gives it no worker at all", async () => {
  const refuse = class {
    constructor() {
      throw new DOMException("denied", "SecurityError");
    }
  };
  vi.stubGlobal("SharedWorker", refuse);
  vi.stubGlobal("Worker", refuse);
  vi.stubGlobal("fetch", () => new Promise(() => undefined));
  document.body.innerHTML = '<div id="root"></div>';
  await import("../src/app/main.tsx").catch(() => undefined);
  await settle();
  expect(document.querySelector("#root .topbar")).not.toBeNull();
});
