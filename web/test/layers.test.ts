/// <reference types="vite/client" />
import { describe, expect, it } from "vitest";

/** What the compiler cannot say: who may import the chart library, and how large a file may grow. */
const sources = import.meta.glob("../src/**/*.{ts,tsx,css}", { query: "?raw", import: "default", eager: true }) as Record<string, string>;
const lock = Object.values(import.meta.glob("../package-lock.json", { query: "?raw", import: "default", eager: true }) as Record<string, string>)[0] ?? "";
const files = Object.entries(sources).map(([path, text]) => ({ path: path.replace("../src/", ""), text }));
const imports = (text: string): string[] => [...text.matchAll(/from "([^"]+)"|import "([^"]+)"|import\("([^"]+)"\)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? "");

describe("the layers", () => {
  it("finds the sources", () => expect(files.length).toBeGreaterThan(40));

  it("lets only view/chart.ts know the chart library", () => {
    const users = files.filter(({ text }) => imports(text).some((name) => name.startsWith("lightweight-charts")));
    expect(users.map(({ path }) => path)).toEqual(["view/chart.ts"]);
  });

  it("keeps the model to itself", () => {
    const foreign = files.filter(({ path, text }) => path.startsWith("model/") && imports(text).some((name) => !name.startsWith("./")));
    expect(foreign.map(({ path }) => path)).toEqual([]);
  });

  it("keeps every file under 400 lines", () => {
    const long = files.filter(({ text }) => text.split("\n").length > 400);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  it("names no host, in the sources and where the packages come from", () => {
    const hosts = files.filter(({ text }) => /https?:\/\/[a-z0-9]/i.test(text));
    expect(hosts.map(({ path }) => path)).toEqual([]);
    expect(lock).not.toContain('"resolved"');
  });

  it("keeps raw colours in the tokens", () => {
    const styled = files.filter(({ path, text }) => path.endsWith(".css") && !path.endsWith("tokens.css") && /#[0-9a-f]{3,8}\b/i.test(text));
    expect(styled.map(({ path }) => path)).toEqual([]);
  });
});
