import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { ms } from "../src/model/units.ts";

/** Node's own; the browser's types do not have it. */
declare const process: { env: Record<string, string | undefined> };

/** Berlin leaves summer time on 2025-10-26 at 01:00 UTC: the hour from 02:00 to 03:00 happens twice. */
const BEFORE = process.env["TZ"];
beforeAll(() => {
  process.env["TZ"] = "Europe/Berlin";
  vi.resetModules();
});
afterAll(() => {
  process.env["TZ"] = BEFORE;
});

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("local time", () => {
  it("follows the change of the clocks, and UTC does not", async () => {
    const { clockText, zoneName } = await import("../src/model/format.ts");
    const first = ms(Date.UTC(2025, 9, 26, 0, 30));
    const second = ms(Date.UTC(2025, 9, 26, 1, 30));
    expect(clockText(first, "local")).toMatch(/^0?2:30/);
    expect(clockText(second, "local")).toMatch(/^0?2:30/);
    expect(zoneName(first, "local")).not.toBe(zoneName(second, "local"));
    expect(clockText(first, "utc")).toMatch(/^(00|12):30/);
    expect(zoneName(first, "utc")).toBe("UTC");
  });

  it("names two candles apart whose hours read the same, and both ends of one across the change", async () => {
    const { windowText } = await import("../src/model/format.ts");
    const text = (hour: number, minutes: number, zone: "local" | "utc" = "local"): string => {
      const start = Date.UTC(2025, 9, 26, hour);
      return windowText(ms(start), ms(start + minutes * 60_000), zone);
    };
    expect(text(0, 1)).not.toBe(text(1, 1));
    expect(text(0, 60)).toContain("GMT+1");
    expect(text(0, 60)).toContain("GMT+2");
    expect(text(3, 60) + text(0, 60, "utc")).not.toContain("GMT");
  });

  it("follows the machine to another zone, as the names of zones do", async () => {
    const { clockText, zoneName } = await import("../src/model/format.ts");
    const at = ms(Date.UTC(2025, 11, 1, 12));
    const berlin = clockText(at, "local");
    vi.stubEnv("TZ", "Asia/Tokyo");
    expect([clockText(at, "local"), zoneName(at, "local")]).toEqual([expect.stringMatching(/^(21|0?9):00/), "GMT+9"]);
    vi.unstubAllEnvs();
    expect(clockText(at, "local")).toBe(berlin);
  });

  it("begins a day at local midnight, and gives UTC midnight no more than an hour's weight", async () => {
    const { labelOf, weightOf } = await import("../src/view/time_axis.ts");
    const hour = 3_600_000;
    const localMidnight = Date.UTC(2025, 9, 20, 22);
    const utcMidnight = Date.UTC(2025, 9, 21, 0);
    const weigh = (at: number, zone: "local" | "utc") => weightOf(ms(at), ms(at - hour), zone);
    expect(weigh(localMidnight, "local")).toBe(50);
    expect(weigh(utcMidnight, "local")).toBe(30);
    expect(weigh(utcMidnight, "utc")).toBe(50);
    expect(weigh(localMidnight, "utc")).toBe(30);
    expect(labelOf(ms(localMidnight), 50, "local")).toContain("21");
    expect(labelOf(ms(utcMidnight), 30, "local")).toMatch(/^0?2:00/);
  });

  it("gives the day on which the clocks change exactly one midnight", async () => {
    const { weightOf } = await import("../src/view/time_axis.ts");
    const from = Date.UTC(2025, 9, 25, 22);
    const hours = Array.from({ length: 26 }, (_, i) => from + i * 3_600_000);
    const midnights = hours.filter((at) => weightOf(ms(at), ms(at - 3_600_000), "local") >= 50);
    expect(midnights).toEqual([from, from + 25 * 3_600_000]);
  });
});
