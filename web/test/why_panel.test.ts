// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { sync } from "../src/app/state.ts";
import { WhyPanel } from "../src/app/why_panel.tsx";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce } from "../src/model/sync.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

const KEY = seriesKey("AAPL" as Subject, "1m");
let live = "g1";

function answer(generation: string): void {
  live = generation;
  const buckets = [bucketOf(0)];
  sync.value = reduce(sync.value, { kind: "fetched", key: KEY, generation, buckets, askedAtBreak: 0, full: true });
}

beforeEach(() => {
  hide();
  visit("/?s=AAPL");
  sync.value = INITIAL_SYNC;
  vi.stubGlobal("fetch", async () => Response.json({ articles: [{ event_id: live, title: `read by ${live}` }] }));
});

describe("the articles of a candle", () => {
  it("are those of the generation that is shown, though its revision is the same", async () => {
    answer("g1");
    await show(WhyPanel);
    await settle();
    expect(document.querySelector(".article-title")?.textContent).toBe("read by g1");
    answer("g2");
    await settle();
    await settle();
    expect(document.querySelector(".article-title")?.textContent).toBe("read by g2");
  });
});
