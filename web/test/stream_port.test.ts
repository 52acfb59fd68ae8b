// @vitest-environment jsdom
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { PageMessage } from "../src/model/protocol.ts";
import { INITIAL_LINK } from "../src/model/protocol.ts";
import { openStreamPort } from "../src/store/stream_port.ts";

/** Either end of a worker, as far as a page sees it. */
class Fake extends EventTarget {
  readonly posts: unknown[] = [];
  onmessage: ((event: MessageEvent) => void) | null = null;
  readonly port = Object.assign(this, { start: () => undefined });

  constructor() {
    super();
    opened.push(this);
  }

  postMessage(message: unknown): void {
    this.posts.push(message);
  }

  terminate(): void {
    this.posts.push("terminated");
  }

  say(): void {
    this.onmessage?.({ data: { type: "link", link: INITIAL_LINK } } as MessageEvent);
  }

  fail(): void {
    this.dispatchEvent(new Event("error"));
  }
}

class Shared extends Fake {}
class Own extends Fake {}

let opened: Fake[];
const heard = vi.fn();
const failed = vi.fn();
const kinds = (): string[] => opened.map((worker) => worker.constructor.name);
const ASK: PageMessage = { type: "subscribe", subjects: [], resolutions: ["1m"], version: 1 };

beforeEach(() => {
  opened = [];
  vi.resetAllMocks();
  vi.stubGlobal("SharedWorker", Shared);
  vi.stubGlobal("Worker", Own);
});

describe("the page's end of the worker", () => {
  it("is that of one for all tabs", () => {
    openStreamPort(heard, failed).post(ASK);
    expect([kinds(), opened[0]?.posts]).toEqual([["Shared"], [ASK]]);
    opened[0]?.say();
    expect(heard).toHaveBeenCalledOnce();
    opened[0]?.fail();
    expect([kinds(), failed.mock.calls.length]).toEqual([["Shared"], 1]);
  });

  it.each([
    ["has none", undefined],
    ["refuses it", class { constructor() { throw new DOMException("denied", "SecurityError"); } }],
  ])("is that of its own worker where the browser %s", (_how, shared) => {
    vi.stubGlobal("SharedWorker", shared);
    openStreamPort(heard, failed).post(ASK);
    expect([kinds(), opened[0]?.posts, failed.mock.calls.length]).toEqual([["Own"], [ASK], 0]);
  });

  it("is that of its own worker where the shared one does not load, and nothing said before is lost", () => {
    const port = openStreamPort(heard, failed);
    port.post(ASK);
    opened[0]?.fail();
    port.post({ type: "retry" });
    expect([kinds(), opened[1]?.posts, failed.mock.calls.length]).toEqual([["Shared", "Own"], [ASK, { type: "retry" }], 0]);
    opened[1]?.say();
    expect(heard).toHaveBeenCalledOnce();
    opened[1]?.fail();
    expect(failed).toHaveBeenCalledOnce();
  });
});

describe("a worker that was left", () => {
  it.each([
    ["ends where it is the page's own", undefined, ["terminated"]],
    ["stays for the other tabs where it is shared", class extends Fake { override terminate = undefined as never; }, []],
  ])("%s, and is heard of no more", (_how, shared, end) => {
    vi.stubGlobal("SharedWorker", shared);
    openStreamPort(heard, failed).close();
    expect(opened[0]?.posts).toEqual([{ type: "leave" }, ...end]);
    opened[0]?.say();
    opened[0]?.fail();
    expect([heard.mock.calls.length, failed.mock.calls.length, opened.length]).toEqual([0, 0, 1]);
  });
});

describe("a browser that gives a page no worker of its own either", () => {
  it("is told of as a failure when the shared one does not load", async () => {
    vi.stubGlobal("Worker", class { constructor() { throw new DOMException("denied", "SecurityError"); } });
    openStreamPort(heard, failed);
    opened[0]?.fail();
    await Promise.resolve();
    expect(failed).toHaveBeenCalledOnce();
  });
});

describe("a browser that refuses a page its lock", () => {
  it("has the stream all the same", async () => {
    const request = vi.fn(() => Promise.reject(new DOMException("The request was denied.", "SecurityError")));
    vi.stubGlobal("navigator", { locks: { request } });
    openStreamPort(heard, failed);
    await new Promise((done) => setTimeout(done, 0));
    expect(request).toHaveBeenCalledOnce();
    vi.unstubAllGlobals();
  });
});
