// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { loadCode, missingParts } from "../src/app/code.ts";
import { Notes } from "../src/app/notes.tsx";
import { settle, show } from "./page.ts";

const MINUTE = 60_000;

/** A part of the page whose file comes only when it is there. */
class Part {
  isThere = false;
  asked = 0;
  readonly load = (): Promise<string> => {
    this.asked += 1;
    return this.isThere ? Promise.resolve("part") : Promise.reject(new TypeError("no such file"));
  };
}

describe("a part of the page", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("is waited for in silence while a server starts anew", async () => {
    const part = new Part();
    const loaded = loadCode(part.load);
    await vi.advanceTimersByTimeAsync(3_000);
    part.isThere = true;
    expect(missingParts.value).toBe(0);
    await vi.advanceTimersByTimeAsync(3_000);
    expect([await loaded, missingParts.value]).toEqual(["part", 0]);
  });

  it("that does not come is told of until it comes, and asked for less often", async () => {
    const part = new Part();
    const loaded = loadCode(part.load);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([part.asked, missingParts.value]).toEqual([3, 1]);
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(part.asked).toBeLessThan(8);
    expect(missingParts.value).toBe(1);
    part.isThere = true;
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect([await loaded, missingParts.value]).toEqual(["part", 0]);
  });
});

describe("a part that is opened again and again while it does not come", () => {
  it("is asked for as if it were opened once, and told of once", async () => {
    vi.useFakeTimers();
    const part = new Part();
    const opened = [loadCode(part.load)];
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(5_000);
      opened.push(loadCode(part.load));
    }
    expect([part.asked < 8, missingParts.value]).toEqual([true, 1]);
    part.isThere = true;
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect([new Set(await Promise.all(opened)).size, missingParts.value]).toEqual([1, 0]);
    vi.useRealTimers();
  });
});

describe("the note about a part that does not come", () => {
  it("is spoken, and offers to load the page anew", async () => {
    const root = await show(Notes);
    expect(root.querySelector('[role="alert"]')).toBeNull();
    missingParts.value = 1;
    await settle();
    expect(root.querySelector('[role="alert"]')?.textContent).toContain("could not be loaded");
    expect(root.querySelector("button")?.textContent).toBe("Reload");
    missingParts.value = 0;
    await settle();
    expect(root.querySelector('[role="alert"]')).toBeNull();
  });
});
