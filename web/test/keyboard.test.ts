// @vitest-environment jsdom
import { expect, it } from "vitest";
import { listenForKeys } from "../src/app/keyboard.ts";

it("a key press without a key is none: Chrome tells of a picked suggestion so", () => {
  listenForKeys();
  const faults: unknown[] = [];
  window.addEventListener("error", (event) => {
    event.preventDefault();
    faults.push(event.error);
  });
  document.dispatchEvent(new Event("keydown"));
  expect(faults).toEqual([]);
});
