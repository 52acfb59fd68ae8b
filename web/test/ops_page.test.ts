// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { OpsPage } from "../src/app/ops_page.tsx";
import { now } from "../src/app/state.ts";
import { formatIso, HOUR, MINUTE, ms } from "../src/model/units.ts";
import { bucketOf } from "./fake_server.ts";
import { hide, show, visit } from "./page.ts";

const NOW = bucketOf(0).start;

/** The page with this answer of the server, as text. */
async function said(answer: object): Promise<string> {
  vi.stubGlobal("fetch", async () => Response.json({ sources: [], counts: {}, lag_ms: null, watermarks: [], demo: false, ...answer }));
  visit("/ops");
  return (await show(OpsPage)).textContent ?? "";
}

beforeEach(() => {
  hide();
  now.value = NOW;
});

it("shows every count it is told, and adds none up: what was received nobody says", async () => {
  const text = await said({ counts: { duplicates: 5, counted: 90, unheard_of: 7 } });
  expect(text).toMatch(/Counted90.*Duplicates5.*unheard of7/);
  expect(text).not.toContain("accounted for");
});

it("tells of a quiet shard when it had its newest event, not that it is behind", async () => {
  const at = ms(NOW - 5 * HOUR);
  const text = await said({
    watermarks: [
      { shard: "shard-0", at: formatIso(at), newest_event_at: formatIso(ms(at + 120_000)) },
      { shard: "shard-1", at: null, newest_event_at: null },
    ],
  });
  expect(text).toMatch(/shard-0.*4 h ago.*shard-1none yetnone yet/);
  expect(text).not.toMatch(/active|Behind[^ ]/);
});

it("says how far behind the line is only while that is news", async () => {
  const behind = (minutes: number): Promise<string> =>
    said({ lag_ms: 30_000, newest_ingest_at: formatIso(ms(NOW - minutes * MINUTE)) });
  expect(await behind(1)).toContain("Behind the news30 s");
  expect(await behind(2)).toContain("Behind the news—");
});

it("asks one question at a time, so that no late answer takes the place of a newer one", async () => {
  vi.useFakeTimers();
  const answers: ((answer: Response) => void)[] = [];
  vi.stubGlobal("fetch", () => new Promise<Response>((resolve) => answers.push(resolve)));
  visit("/ops");
  const shown = show(OpsPage);
  await vi.advanceTimersByTimeAsync(9_000);
  await shown;
  expect(answers.length).toBe(1);
  answers[0]?.(Response.json({ sources: [], counts: { counted: 90 }, watermarks: [] }));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(document.body.textContent).toContain("Counted90");
  expect(answers.length).toBe(2);
  vi.useRealTimers();
});
