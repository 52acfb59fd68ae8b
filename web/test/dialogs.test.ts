// @vitest-environment jsdom
import { signal } from "@preact/signals";
import { Fragment, h } from "preact";
import { beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { AdminDialog, type Wish } from "../src/app/admin_dialog.tsx";
import { HelpDialog } from "../src/app/help_dialog.tsx";
import { Palette } from "../src/app/palette.tsx";
import { loadPrefs } from "../src/app/prefs.ts";
import { helpOpen, paletteOpen, prefs, route, subjects } from "../src/app/state.ts";
import type { Subject } from "../src/model/subject.ts";
import { hide, press, settle, show, visit } from "./page.ts";

vi.mock("../src/store/stream_port.ts", () => ({ openStreamPort: () => ({ post: () => undefined, close: () => undefined }) }));
// jsdom has no canvas to draw on.
vi.mock("../src/view/chart.ts", () => ({ CandleChart: class {} }));

const adminOpen = signal(false);
const wish: Wish = { title: "Promote", button: "Promote", children: null, reason: "none", run: async () => undefined };
const closeAdmin = (): void => {
  adminOpen.value = false;
};

function Page() {
  return h(
    Fragment,
    null,
    h("button", { type: "button", id: "opener" }, "Open"),
    helpOpen.value && h(HelpDialog, null),
    paletteOpen.value && h(Palette, null),
    adminOpen.value && h(AdminDialog, { wish, close: closeAdmin }),
  );
}

/** What jsdom lacks of a dialog: opening takes the focus, closing gives it back and is told a moment later. */
beforeAll(() => {
  const before = new WeakMap<HTMLDialogElement, Element | null>();
  HTMLDialogElement.prototype.showModal = function showModal(): void {
    before.set(this, document.activeElement);
    this.open = true;
    this.querySelector<HTMLElement>("input, button")?.focus();
  };
  HTMLDialogElement.prototype.close = function close(): void {
    if (!this.open) return;
    this.open = false;
    const back = before.get(this);
    if (back instanceof HTMLElement) back.focus();
    setTimeout(() => this.dispatchEvent(new Event("close")), 0);
  };
  Element.prototype.scrollIntoView = () => undefined;
});

beforeEach(() => {
  hide();
  visit("/");
  helpOpen.value = paletteOpen.value = adminOpen.value = false;
});

const opener = (): HTMLElement | null => document.querySelector("#opener");
const input = (): HTMLInputElement | null => document.querySelector("dialog input");

async function open(shown: { value: boolean }): Promise<void> {
  await show(Page);
  opener()?.focus();
  shown.value = true;
  await vi.waitFor(() => expect(document.querySelector("dialog")?.contains(document.activeElement)).toBe(true), 5_000);
}

const click = (text: string): void =>
  [...document.querySelectorAll<HTMLElement>("dialog button")].find((each) => each.textContent?.trim() === text)?.click();

describe("the focus goes back to where it was", () => {
  const putAway = (): void => {
    paletteOpen.value = false;
  };
  const pick = (): void => void press(input() ?? document.body, "Enter");
  it.each<[string, { value: boolean }, () => void]>([
    ["help is closed", helpOpen, () => click("Close")],
    ["a wish is called off", adminOpen, () => click("Cancel")],
    ["the palette is put away with its key", paletteOpen, putAway],
    ["a command is picked", paletteOpen, pick],
  ])("when %s", async (_, shown, end) => {
    await open(shown);
    end();
    await settle();
    expect(document.querySelector("dialog")).toBeNull();
    expect(document.activeElement).toBe(opener());
    expect(shown.value).toBe(false);
  });
});

describe("a wish that is under way", () => {
  it("can not be called off, neither with the button nor with Escape", async () => {
    let done = (): void => undefined;
    const held = vi.spyOn(wish, "run").mockReturnValue(new Promise((resolve) => (done = resolve)));
    await open(adminOpen);
    const field = input();
    if (field !== null) field.value = "key";
    document.querySelector("dialog form")?.dispatchEvent(new SubmitEvent("submit", { bubbles: true, cancelable: true }));
    await settle();
    const escape = new Event("cancel", { cancelable: true });
    document.querySelector("dialog")?.dispatchEvent(escape);
    click("Cancel");
    await settle();
    expect([escape.defaultPrevented, adminOpen.value]).toEqual([true, true]);
    // The second time in a row the browser asks nobody.
    document.querySelector("dialog")?.close();
    await settle();
    expect([document.querySelector("dialog")?.open, adminOpen.value]).toEqual([true, true]);
    done();
    await settle();
    expect(adminOpen.value).toBe(false);
    held.mockRestore();
  });
});

describe("the help", () => {
  it("has the switch for keys of one character, which this browser remembers", async () => {
    await open(helpOpen);
    input()?.click();
    expect([prefs.value.keys, loadPrefs().keys]).toEqual([false, false]);
    input()?.click();
    expect([prefs.value.keys, loadPrefs().keys]).toEqual([true, true]);
  });
});

describe("the palette", () => {
  const type = async (text: string): Promise<HTMLInputElement> => {
    const query = input();
    if (query === null) throw new Error("no field");
    query.value = text;
    query.dispatchEvent(new Event("input", { bubbles: true }));
    await settle();
    return query;
  };

  it.each([["Copied.", true], ["http://localhost:3000/", false]])("says %s of what was to be copied", async (said, allowed) => {
    const writeText = allowed ? async () => undefined : undefined;
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    await open(paletteOpen);
    press(await type("Copy a link"), "Enter");
    await settle();
    expect(document.querySelector(".palette-said")?.textContent).toContain(said);
    await type("Grid");
    expect(document.querySelector(".palette-said")?.textContent).toBe("");
    vi.unstubAllGlobals();
  });

  it("runs what is picked, among very many subjects", async () => {
    const rows = [...Array(5_000).keys()].map((i) => ({ subject: `tag:topic-${i}` as Subject, name: `Topic ${i}`, count24h: 1, lastEventAt: null }));
    subjects.value = { subjects: rows, demoNote: null };
    await open(paletteOpen);
    press(await type("Topic 4321"), "Enter");
    expect(route.value.subject).toBe("tag:topic-4321");
  });
});

it("Enter that ends a composition picks nothing", async () => {
  await open(paletteOpen);
  const query = input()!;
  query.value = "Grid";
  query.dispatchEvent(new Event("input", { bubbles: true }));
  await settle();
  press(query, "Enter", { isComposing: true });
  await settle();
  expect([route.value.page, paletteOpen.value]).toEqual(["live", true]);
});
