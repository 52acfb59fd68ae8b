// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import type { Subject } from "../src/model/subject.ts";

const names = (text: string): Subject[] => text.split(" ") as Subject[];

/** A page that is opened by a reader who has chosen nothing. */
async function open(address = "/") {
  vi.resetModules();
  window.history.replaceState(null, "", address);
  const { subjects, watched } = await import("../src/app/state.ts");
  const answer = (busiest: string): void => {
    const rows = names(busiest).map((subject) => ({ subject, name: subject, count24h: 1, lastEventAt: null }));
    subjects.value = { subjects: rows, demoNote: null };
  };
  return { watched, answer };
}

beforeEach(() => localStorage.clear());

it("shows at once what was suggested on the last visit, as far as it is among the busiest now in the same places, and what the chart shows", async () => {
  const first = await open();
  expect(first.watched.value).toEqual([]);
  first.answer("A B C D E F");
  expect(first.watched.value).toEqual(names("A B C D E"));
  const second = await open();
  expect(second.watched.value).toEqual(names("A B C D E"));
  second.answer("G E B H I A C D");
  expect(second.watched.value).toEqual(names("A B E G H"));
  second.answer("A C D G B");
  expect(second.watched.value).toEqual(names("A B E G H"));
  const third = await open();
  expect(third.watched.value).toEqual(names("A B E G H"));
  third.answer("G E B H I");
  expect(third.watched.value).toEqual(names("B E G H I"));
});

it("writes what is suggested only when it has changed", async () => {
  const write = vi.spyOn(Storage.prototype, "setItem");
  const page = await open();
  for (const busiest of ["A B", "B A", "A B C"]) {
    page.answer(busiest);
    expect(page.watched.value).toContain("A");
  }
  expect(write.mock.calls.map(([, text]) => text)).toEqual(["A B", "A B C"]);
});

it("shows nothing that is no subject, and remembers no list of an address", async () => {
  localStorage.setItem("candlewick.suggested", "AAPL a/b AAPL");
  const page = await open("/?w=NVDA");
  page.answer("MSFT TSLA");
  expect(page.watched.value).toEqual(["NVDA"]);
  expect((await open()).watched.value).toEqual(["AAPL"]);
});
