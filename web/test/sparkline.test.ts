// @vitest-environment jsdom
import { h } from "preact";
import { expect, it } from "vitest";
import { Sparkline } from "../src/app/sparkline.tsx";
import { bucketOf } from "./fake_server.ts";
import { show } from "./page.ts";

it("shows every candle of a subject with news every half hour, and lines where they are near", async () => {
  const root = await show(() => h(Sparkline, { buckets: [0, 1, 30, 60].map((i) => bucketOf(i)), tone: "neutral" }));
  const path = root.querySelector(".spark-line")?.getAttribute("d") ?? "";
  expect(path.replace(/[\d. ]+/g, "")).toBe("MhLMhMh");
});
