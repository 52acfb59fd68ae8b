// @vitest-environment jsdom
import { afterEach, expect, it, vi } from "vitest";
import { followArrivals } from "../src/app/arrival.ts";
import { followHistory, go } from "../src/app/navigation.ts";

const scrolled = vi.fn();
window.scrollTo = scrolled;
followHistory();
followArrivals();
const page = (main: string): void => void (document.body.innerHTML = `${main}<button>Theme</button>`);
const PLACEHOLDER = '<main id="main" aria-busy="true"></main>';
const MAIN = '<main id="main" tabindex="-1"></main>';

afterEach(() => vi.useRealTimers());

it("begins another page at its top, with the keyboard in it as soon as it is there", () => {
  vi.useFakeTimers();
  page(PLACEHOLDER);
  go({ page: "grid" });
  expect(scrolled).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(500);
  expect(document.activeElement).toBe(document.body);
  page(MAIN);
  vi.advanceTimersByTime(100);
  expect(document.activeElement?.id).toBe("main");
  go({ resolution: "1h" });
  expect(scrolled, "the same page").toHaveBeenCalledTimes(1);
});

it("leaves the keyboard where the reader has taken it, and the way back to the browser", async () => {
  page(MAIN);
  document.querySelector("button")?.focus();
  go({ page: "runs", id: "r1" });
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(scrolled).toHaveBeenCalledTimes(2);
  expect(document.activeElement?.textContent).toBe("Theme");
  const back = new Promise((resolve) => window.addEventListener("popstate", resolve, { once: true }));
  history.back();
  await back;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(location.pathname).toBe("/grid");
  expect(scrolled).toHaveBeenCalledTimes(2);
});
