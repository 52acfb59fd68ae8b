// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import { RangeOffers } from "../src/app/range_offers.tsx";
import { prefs } from "../src/app/state.ts";
import { FakeServer } from "./fake_server.ts";
import { hide, settle, show, visit } from "./page.ts";

const api = {
  /** The resolutions that are refused. */
  refused: [] as string[],
  hasNews: false,
  async fetch(path: string): Promise<Response> {
    const at = new URL(path, "http://localhost").searchParams.get("resolution") ?? "";
    if (api.refused.includes(at)) return Response.json({ detail: "The store is away." }, { status: 503 });
    const server = new FakeServer(["AAPL"]);
    if (api.hasNews && at === "1h") server.change("AAPL", 0, 0.5);
    return Response.json({ ...server.rest("AAPL"), resolution: at });
  },
};
const ALL = ["5m", "10m", "1h", "3h", "6h", "12h", "24h"];

beforeEach(() => {
  hide();
  Object.assign(api, { refused: [], hasNews: false });
  vi.stubGlobal("fetch", api.fetch);
  prefs.value = { ...prefs.value, zone: "utc" };
  visit("/?s=AAPL");
});

describe("what there is at other resolutions", () => {
  it("is nothing where all have answered so", async () => {
    const root = await show(RangeOffers);
    await settle();
    expect(root.textContent).toContain("No news about it");
    expect(root.querySelector("button")).toBeNull();
  });

  it("is not known where a question was refused, and can be asked again", async () => {
    api.refused = ALL;
    const root = await show(RangeOffers);
    await settle();
    expect(root.textContent).not.toContain("No news about it");
    expect(root.textContent).toContain("The store is away.");
    Object.assign(api, { refused: ["24h"], hasNews: true });
    root.querySelector("button")?.click();
    await settle();
    expect(root.textContent).toContain("1h · 1 candle");
    expect(root.textContent).toContain("The store is away.");
    api.refused = [];
    [...root.querySelectorAll("button")].find(({ textContent }) => textContent === "Try again")?.click();
    await settle();
    expect(root.textContent).not.toContain("The store is away.");
  });

  it("is told in the zone that the reader has chosen", async () => {
    api.hasNews = true;
    const root = await show(RangeOffers);
    await settle();
    const before = root.textContent;
    vi.stubEnv("TZ", "Asia/Tokyo");
    prefs.value = { ...prefs.value, zone: "local" };
    await settle();
    vi.unstubAllEnvs();
    expect(root.textContent).toContain("1h · 1 candle");
    expect(root.textContent).not.toBe(before);
  });
});
