// @vitest-environment jsdom
import { h } from "preact";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { followHistory, go } from "../src/app/navigation.ts";
import { RecordFilters } from "../src/app/record_filters.tsx";
import { prefs, route } from "../src/app/state.ts";
import { hide, press, settle, show, visit } from "./page.ts";

const field = (label: string): HTMLInputElement => {
  const found = [...document.querySelectorAll("label")].find((each) => each.textContent?.startsWith(label));
  return document.getElementById(found?.htmlFor ?? "") as HTMLInputElement;
};

/** As a browser tells of a text or a date that was typed so far. */
function type(into: HTMLInputElement, text: string): void {
  into.value = text;
  into.dispatchEvent(new Event("input", { bubbles: true }));
}

const changed = (into: HTMLInputElement): boolean => into.dispatchEvent(new Event("change", { bubbles: true }));

beforeEach(() => {
  hide();
  prefs.value = { ...prefs.value, zone: "utc" };
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("away");
  });
});

const open = async (address: string): Promise<void> => {
  visit(address);
  await show(() => h(RecordFilters, null));
};

describe("a date among the filters", () => {
  it("can be typed digit by digit: it is asked for when the field is left", async () => {
    await open("/records?from=2025-12-21T10:00:00Z");
    const from = field("From");
    expect(from.value).toBe("2025-12-21T10:00");
    from.focus();
    for (const year of ["0002", "0020", "0202", "2024"]) {
      type(from, `${year}-12-21T10:00`);
      changed(from);
      await settle();
      expect(document.activeElement).toBe(from);
      expect(route.value.filters.from).toBe("2025-12-21T10:00:00Z");
    }
    from.blur();
    await settle();
    expect(route.value.filters.from).toBe("2024-12-21T10:00:00Z");
  });

  it("is asked for with Enter, and the field keeps the focus", async () => {
    await open("/records?from=2025-12-21T10:00:00Z");
    const from = field("From");
    from.focus();
    type(from, "2025-12-20T10:00");
    press(from, "Enter");
    await settle();
    expect(route.value.filters.from).toBe("2025-12-20T10:00:00Z");
    expect(document.activeElement).toBe(from);
  });

  it("is not asked for where nothing was typed: its text may stand for another hour too", async () => {
    await open("/records?from=2025-12-21T10:00:20Z");
    press(field("From"), "Enter");
    await settle();
    expect(route.value.filters.from).toBe("2025-12-21T10:00:20Z");
  });

  it("follows the address, with the focus too", async () => {
    await open("/records?from=2025-12-21T10:00:00Z");
    const from = field("From");
    from.focus();
    go({ filters: { ...route.value.filters, from: "2025-12-20T10:00:00Z" } });
    await settle();
    expect(from.value).toBe("2025-12-20T10:00");
    from.blur();
    await settle();
    expect(route.value.filters.from).toBe("2025-12-20T10:00:00Z");
  });
});

describe("a span among the filters", () => {
  it("ends where a beginning and an end of one's own are asked for", async () => {
    await open("/records?hours=24");
    const taken = field("Taken in");
    taken.value = "range";
    changed(taken);
    await settle();
    expect(route.value.filters.hours).toBeUndefined();
    expect(field("From").value).toBe("");
  });

  it("can be seen and taken off beside an end of its own, as the analytics page asks", async () => {
    await open("/records?hours=24&to=2025-12-21T10:00:00Z");
    const chip = document.querySelector<HTMLButtonElement>("[aria-label='Remove the last 24 hours']");
    chip?.click();
    await settle();
    expect(route.value.filters).toEqual({ to: "2025-12-21T10:00:00Z" });
    expect(document.querySelector("[aria-label^='Remove the last']")).toBeNull();
  });
});

describe("a ticker among the filters", () => {
  it("keeps the focus when it is asked for", async () => {
    await open("/records");
    const ticker = field("Ticker");
    ticker.focus();
    type(ticker, "msft");
    changed(ticker);
    await settle();
    expect(route.value.filters.ticker).toBe("MSFT");
    expect([document.activeElement, ticker.value]).toEqual([ticker, "MSFT"]);
    type(ticker, "a b");
    changed(ticker);
    await settle();
    expect([ticker.value, ticker.getAttribute("aria-invalid")]).toEqual(["a b", "true"]);
    expect(route.value.filters.ticker).toBe("MSFT");
  });

  it.each([["", ""], ["?ticker=MSFT&label=negative", "MSFT"]])("that is none goes with the filters it stood among: /records%s", async (query, kept) => {
    await open(`/records${query}`);
    const ticker = field("Ticker");
    type(ticker, "a b");
    changed(ticker);
    await settle();
    expect(ticker.getAttribute("aria-invalid")).toBe("true");
    go({ filters: { ...route.value.filters, label: "positive" } });
    await settle();
    expect([ticker.value, ticker.getAttribute("aria-invalid")]).toEqual([kept, "false"]);
  });

  it("follows the address again after something was typed and taken back, which is no change to a browser", async () => {
    await open("/records?ticker=AAPL");
    const ticker = field("Ticker");
    ticker.focus();
    type(ticker, "AAPLX");
    type(ticker, "AAPL");
    ticker.blur();
    go({ filters: {} });
    await settle();
    expect(ticker.value).toBe("");
  });

  it("follows the address", async () => {
    await open("/records?ticker=MSFT");
    expect(field("Ticker").value).toBe("MSFT");
    go({ filters: {} });
    await settle();
    expect(field("Ticker").value).toBe("");
  });
});

it("says what the list is narrowed to, on the way back too", async () => {
  followHistory();
  await open("/records?hours=24");
  const taken = (): HTMLInputElement => field("Taken in");
  expect(taken().value).toBe("24");
  taken().value = "range";
  changed(taken());
  await settle();
  expect(taken().value).toBe("range");
  history.back();
  await settle();
  expect(location.search).toBe("?hours=24");
  expect([route.value.filters, taken().value]).toEqual([{ hours: "24" }, "24"]);
});
