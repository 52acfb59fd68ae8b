// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import { followArrivals } from "../src/app/arrival.ts";
import { followHistory, go } from "../src/app/navigation.ts";
import { settle } from "./page.ts";

it("begins another page at its top, with the keyboard in it, and leaves the way back to the browser", async () => {
  const scrolled = vi.fn();
  window.scrollTo = scrolled;
  document.body.innerHTML = '<main id="main" tabindex="-1"></main><button>Theme</button>';
  followHistory();
  followArrivals();
  go({ page: "grid" });
  await settle();
  expect(scrolled).toHaveBeenCalledTimes(1);
  expect(document.activeElement?.id).toBe("main");
  go({ resolution: "1h" });
  await settle();
  expect(scrolled, "the same page").toHaveBeenCalledTimes(1);
  document.querySelector("button")?.focus();
  go({ page: "runs", id: "r1" });
  await settle();
  expect(scrolled).toHaveBeenCalledTimes(2);
  expect(document.activeElement?.textContent, "what has the focus keeps it").toBe("Theme");
  const back = new Promise((resolve) => window.addEventListener("popstate", resolve, { once: true }));
  history.back();
  await back;
  await settle();
  expect(location.pathname).toBe("/grid");
  expect(scrolled).toHaveBeenCalledTimes(2);
});
