import { describe, expect, it } from "vitest";
import type { PageMessage, WorkerMessage } from "../src/model/protocol.ts";
import type { ResolutionId } from "../src/model/resolution.ts";
import type { Subject } from "../src/model/subject.ts";
import { Hub } from "../src/stream/hub.ts";
import { FakeServer } from "./fake_server.ts";
import { SimClock, seeded } from "./sim_clock.ts";

const subjects = (text: string): Subject[] => text.split(" ") as Subject[];

/** A tab of the browser: what the worker says to it, and what it tells the worker. */
class Tab {
  readonly heard: WorkerMessage[] = [];
  readonly #tell: (message: PageMessage) => void;

  constructor(hub: Hub, watches: Subject[], resolution: ResolutionId) {
    const id = hub.join((message) => this.heard.push(message));
    this.#tell = (message) => hub.receive(id, message);
    this.#tell({ type: "subscribe", subjects: watches, resolutions: [resolution], version: 1 });
  }

  tell = (message: PageMessage): void => this.#tell(message);
  show = (hidden: boolean): void => this.tell({ type: "visibility", hidden });
  isServed = (): boolean => this.heard.findLast((message) => message.type === "attached")?.accepted ?? false;
  phase = (): string => this.heard.findLast((message) => message.type === "link")?.link.phase ?? "";
}

function rig(base: string, isOnline = (): boolean => true) {
  const clock = new SimClock(seeded(1));
  const asked: string[] = [];
  const server = new FakeServer(["AAPL"]);
  const fetch = async (url: unknown, init?: RequestInit): Promise<Response> => {
    const position = new Headers(init?.headers).get("Last-Event-ID");
    asked.push(`${decodeURIComponent(String(url))} after ${position}`);
    const greeting = new TextEncoder().encode(server.frames("g1.0"));
    return new Response(new ReadableStream({ start: (body) => body.enqueue(greeting) }));
  };
  return { clock, asked, server, hub: new Hub({ clock, base, isOnline, fetch }) };
}

describe("tabs that want more than one connection may carry", () => {
  it("take turns: the one that is looked at is served", async () => {
    const { clock, asked, hub } = rig("");
    const first = new Tab(hub, subjects("AAPL MSFT TSLA NVDA AMZN"), "1m");
    first.tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    const others = [new Tab(hub, subjects("AAPL MSFT TSLA NVDA META"), "5m"), new Tab(hub, subjects("AAPL MSFT TSLA NVDA GOOG"), "1h")];
    first.show(true);
    await clock.advance(1_000);
    expect([first, ...others].map((tab) => tab.isServed())).toEqual([false, true, true]);
    others[1]?.show(true);
    first.show(false);
    await clock.advance(1_000);
    expect([first, ...others].map((tab) => tab.isServed())).toEqual([true, true, false]);
    expect(asked.at(-1)).toContain("AMZN");
  });

  it("leave the one that is looked at its place, whatever a hidden one says or asks for", async () => {
    const { clock, hub } = rig("");
    const hidden = [new Tab(hub, subjects("AAPL MSFT TSLA NVDA META"), "5m"), new Tab(hub, subjects("AAPL MSFT TSLA NVDA GOOG"), "1h")];
    const looked = new Tab(hub, subjects("AAPL MSFT TSLA NVDA AMZN"), "1m");
    for (const tab of hidden) tab.show(true);
    looked.show(false);
    for (const tab of [looked, ...hidden]) {
      tab.tell({ type: "seed", cursor: "g1.0" });
      tab.tell({ type: "network", online: true });
    }
    hidden[0]?.tell({ type: "subscribe", subjects: subjects("AAPL MSFT TSLA NVDA META"), resolutions: ["10m"], version: 2 });
    await clock.advance(1_000);
    expect([looked, ...hidden].map((tab) => tab.isServed())).toEqual([true, true, false]);
  });
});

describe("a tab that has no room", () => {
  it("leaves the stream of those alone that are served, whatever it asks for", async () => {
    const { clock, asked, hub } = rig("");
    const served = [new Tab(hub, subjects("AAPL MSFT TSLA NVDA AMZN"), "1m"), new Tab(hub, subjects("AAPL MSFT TSLA NVDA META"), "5m")];
    served[0]?.tell({ type: "seed", cursor: "g1.0" });
    const third = new Tab(hub, subjects("AAPL MSFT TSLA NVDA GOOG"), "1h");
    third.show(true);
    for (const tab of served) tab.show(false);
    await clock.advance(5_000);
    const before = asked.length;
    for (const [i, resolution] of (["10m", "3h", "6h"] as ResolutionId[]).entries()) {
      third.tell({ type: "subscribe", subjects: subjects("AAPL MSFT TSLA NVDA GOOG"), resolutions: [resolution], version: i + 2 });
      await clock.advance(1_000);
    }
    expect([third.isServed(), asked.length]).toEqual([false, before]);
  });
});

describe("a tab that leaves", () => {
  it("sends the stream of the others back to nothing they have had", async () => {
    const { clock, asked, hub, server } = rig("");
    const first = new Tab(hub, subjects("AAPL"), "1m");
    first.tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    server.change("AAPL", 0, 0.5);
    const second = new Tab(hub, subjects("AAPL MSFT"), "1m");
    await clock.advance(1_000);
    second.tell({ type: "leave" });
    await clock.advance(1_000);
    expect(asked.at(-1)).toBe("/api/v2/stream?tickers=AAPL&resolutions=1m after g1.1");
  });
});

describe("a tab that joins others", () => {
  it("is told which generation is live, as the stream has named it", async () => {
    const { clock, hub } = rig("");
    const named = ({ heard }: Tab): WorkerMessage[] => heard.filter((message) => message.type === "epoch");
    const first = new Tab(hub, subjects("AAPL"), "1m");
    first.tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    const second = new Tab(hub, subjects("AAPL"), "1m");
    expect([named(first), named(second)]).toEqual([[], [{ type: "epoch", epoch: "g1" }]]);
  });

  it("is told no generation that nobody follows any more", async () => {
    let online = true;
    const { clock, hub } = rig("https://news.example", () => online);
    new Tab(hub, subjects("AAPL"), "1m").tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    online = false;
    hub.networkChanged(false);
    await clock.advance(60_000);
    const second = new Tab(hub, subjects("AAPL"), "1m");
    expect(second.heard.filter((message) => message.type === "epoch")).toEqual([]);
  });

  it("misses nothing of what the others have had already: its own answer may be older", async () => {
    const { clock, asked, hub } = rig("");
    const first = new Tab(hub, subjects("AAPL MSFT"), "1m");
    first.tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    expect(asked.length).toBe(1);
    const second = new Tab(hub, subjects("AAPL"), "1m");
    await clock.advance(1_000);
    expect([asked.length, asked[1]]).toEqual([2, asked[0]]);
    second.tell({ type: "subscribe", subjects: subjects("AAPL"), resolutions: ["1m"], version: 2 });
    await clock.advance(1_000);
    expect(asked.length).toBe(2);
  });
});

describe("a browser that says it has no network", () => {
  it.each([
    ["http://127.0.0.1:8000", "open"],
    ["http://localhost:8000", "open"],
    ["http://[::1]:8000", "open"],
    ["https://localhost.example", "offline"],
    ["https://news.example", "offline"],
  ])("is believed unless the server is on this machine: %s is %s", async (base, phase) => {
    let online = true;
    const { clock, hub } = rig(base, () => online);
    const tab = new Tab(hub, subjects("AAPL"), "1m");
    tab.tell({ type: "seed", cursor: "g1.0" });
    await clock.advance(1_000);
    expect(tab.phase()).toBe("open");
    online = false;
    tab.tell({ type: "network", online: false });
    await clock.advance(120_000);
    expect(tab.phase()).toBe(phase);
  });

  it("is asked at once when the network comes to a page that was opened without one", async () => {
    let online = false;
    const { clock, hub } = rig("https://news.example", () => online);
    const tab = new Tab(hub, subjects("AAPL"), "1m");
    await clock.advance(5_000);
    expect(tab.phase()).toBe("offline");
    online = true;
    tab.tell({ type: "network", online: true });
    await clock.advance(100);
    expect(tab.phase()).toBe("open");
  });
});
