// @vitest-environment jsdom
import { h } from "preact";
import { beforeEach, describe, expect, it } from "vitest";
import { RecordTimeline } from "../src/app/record_timeline.tsx";
import { now, prefs } from "../src/app/state.ts";
import { parseRecord } from "../src/model/record.ts";
import { type Ms, ms } from "../src/model/units.ts";
import { hide, show } from "./page.ts";

const instant = (text: string): Ms => ms(Date.parse(text));

beforeEach(() => {
  hide();
  prefs.value = { ...prefs.value, zone: "utc" };
  now.value = instant("2025-12-22T08:00:00Z");
});

describe("the times of an article", () => {
  it("have their date unless they are of today", async () => {
    const wire = { source_id: "a#1", ingested_at: "2025-12-22T07:00:01Z", metadata: { title: "News", published_at: "2025-12-21T21:30:00Z" } };
    const record = parseRecord(wire);
    if (record === null) throw new Error("the example is a record");
    const root = await show(() => h(RecordTimeline, { record, fed: null, shownAt: now.value }));
    const times = [...root.querySelectorAll("time")].map(({ textContent }) => textContent);
    expect(times[0]).toContain("Dec 21");
    expect(times[1]).toMatch(/^0?7:00:01/);
  });
});
