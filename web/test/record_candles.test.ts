// @vitest-environment jsdom
import { h } from "preact";
import { beforeEach, expect, it } from "vitest";
import { RecordCandles } from "../src/app/record_candles.tsx";
import { parseFedRows, parseRecord } from "../src/model/record.ts";
import { hide, show } from "./page.ts";

const RECORD = parseRecord({ source_id: "a#1", ingested_at: "2025-12-21T10:00:01Z", matched_tickers: ["AAPL"], metadata: { title: "News", published_at: "2025-12-21T10:00:00Z" } });

/** The panel for an answer that has no candle of the subject, as text. */
async function said(counted: boolean | null): Promise<string> {
  const candles = [{ resolution: "1m", start: "2025-12-21T10:00:00Z", bucket: null, roles: [] }];
  const fed = parseFedRows({ subjects: [{ subject: "AAPL", event_id: "x", counted, stored_at: null, candles }] });
  if (RECORD === null) throw new Error("the example is a record");
  const record = RECORD;
  return (await show(() => h(RecordCandles, { record, fed, missing: false }))).textContent ?? "";
}

beforeEach(hide);

it("does not say of an article on its way that it was not counted, or that its candles were not kept", async () => {
  const text = await said(null);
  expect(text).toContain("still on its way");
  expect(text).not.toMatch(/Not counted|not kept/);
});

it("says what was certainly not counted", async () => {
  const text = await said(false);
  expect(text).toContain("Not counted: it came too late");
  expect(text).not.toContain("still on its way");
});
