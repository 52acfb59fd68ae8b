import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
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

describe("local time", () => {
  it("follows the change of the clocks, and UTC does not", async () => {
    const { clockText, zoneName } = await import("../src/model/format.ts");
    const first = ms(Date.UTC(2025, 9, 26, 0, 30));
    const second = ms(Date.UTC(2025, 9, 26, 1, 30));
    expect(clockText(first, "local")).toBe("02:30");
    expect(clockText(second, "local")).toBe("02:30");
    expect(zoneName(first, "local")).not.toBe(zoneName(second, "local"));
    expect(clockText(first, "utc")).toBe("00:30");
    expect(zoneName(first, "utc")).toBe("UTC");
  });

  it("puts the date at local midnight and the hour at UTC midnight", async () => {
    const { tickText } = await import("../src/view/axis_text.ts");
    const hour = ms(3_600_000);
    expect(tickText(ms(Date.UTC(2025, 9, 20, 22)), "time", hour, "local")).toContain("21");
    expect(tickText(ms(Date.UTC(2025, 9, 21, 0)), "day", hour, "local")).toBe("02:00");
    expect(tickText(ms(Date.UTC(2025, 9, 21, 0)), "day", hour, "utc")).toContain("21");
  });
});
