// @vitest-environment jsdom
import { afterEach, describe, expect, it, vi } from "vitest";

const own = Object.getOwnPropertyDescriptor(window, "localStorage");
const forbidden = (): never => {
  throw new DOMException("denied", "SecurityError");
};

afterEach(() => {
  if (own === undefined) Reflect.deleteProperty(window, "localStorage");
  else Object.defineProperty(window, "localStorage", own);
});

describe("a browser without storage", () => {
  it.each([
    ["has none", { value: null }],
    ["forbids it", { get: forbidden }],
    ["is full", { value: { getItem: forbidden, setItem: forbidden } }],
  ])("shows the page with what serves everyone, when it %s", async (_how, storage) => {
    Object.defineProperty(window, "localStorage", { ...storage, configurable: true });
    Object.defineProperty(globalThis, "localStorage", { ...storage, configurable: true });
    vi.resetModules();
    const { loadPrefs, savePrefs } = await import("../src/app/prefs.ts");
    const { rememberVisit, visitedBefore } = await import("../src/app/visits.ts");
    expect([loadPrefs().theme, visitedBefore]).toEqual(["auto", false]);
    savePrefs({ ...loadPrefs(), theme: "dark" });
    rememberVisit();
    expect(loadPrefs().theme).toBe("dark");
    vi.resetModules();
    expect((await import("../src/app/prefs.ts")).loadPrefs().theme).toBe("auto");
  });
});
