// @vitest-environment jsdom
import { expect, it, vi } from "vitest";
import type { PageMessage, WorkerMessage } from "../src/model/protocol.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { FakeServer } from "./fake_server.ts";

/** A real hub behind the page, and one server behind both. */
const server = new FakeServer(["AAPL", "MSFT"]);
server.change("AAPL", 0, 0.1);
server.change("MSFT", 0, 0.1);

vi.mock("../src/store/stream_port.ts", async () => {
  const { Hub } = await import("../src/stream/hub.ts");
  const { systemClock } = await import("../src/stream/clock.ts");
  const streamFetch = async (_: unknown, init?: RequestInit): Promise<Response> => {
    const position = new Headers(init?.headers).get("Last-Event-ID");
    let sent = server.log.length;
    const text = new TextEncoder();
    return new Response(new ReadableStream({
      start(body) {
        body.enqueue(text.encode(server.frames(position)));
        const timer = setInterval(() => {
          for (const frame of server.since(sent)) body.enqueue(text.encode(frame));
          sent = server.log.length;
          body.enqueue(text.encode(server.frame("heartbeat", { cursor: String(sent) }, sent)));
        }, 50);
        init?.signal?.addEventListener("abort", () => { clearInterval(timer); body.error(new DOMException("", "AbortError")); });
      },
    }));
  };
  const hub = new Hub({ fetch: streamFetch as typeof fetch, clock: systemClock, base: "http://localhost", isOnline: () => true });
  return {
    openStreamPort: (receive: (message: WorkerMessage) => void) => {
      const id = hub.join((message) => queueMicrotask(() => receive(message)));
      return { post: (message: PageMessage) => hub.receive(id, message), close: () => undefined };
    },
  };
});

const wait = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
const json = (body: unknown): Response => Response.json(body);
vi.stubGlobal("fetch", async (url: string) => {
  if (url.includes("/subjects")) return json({ subjects: [{ subject: "AAPL" }, { subject: "MSFT" }] });
  const [, ticker = "", resolution = ""] = /timeseries\/(.*)\?resolution=(.*)/.exec(url) ?? [];
  if (resolution !== "1m") return json({ ...new FakeServer([ticker]).rest(ticker), resolution });
  if (ticker === "MSFT") await wait(20); // the second question is read a moment after the first
  const answer = server.rest(ticker); // position and candles are read together, as the server does
  if (ticker === "AAPL") {
    if (server.log.length === 2) setTimeout(() => server.change("AAPL", 0, 0.9), 5); // news between the two readings
    await wait(60); // the longer answer takes longer to come
  }
  return json(answer);
});

it("a series whose answer is older than the one that seeds the stream is brought up to date", async () => {
  window.history.replaceState(null, "", "/grid?w=AAPL,MSFT");
  Object.defineProperty(document, "hidden", { value: false });
  const { start } = await import("../src/app/controller.ts");
  const { sync, link } = await import("../src/app/state.ts");
  const { seriesOf } = await import("../src/model/sync.ts");
  start();
  await wait(3_500);
  const shown = seriesOf(sync.value, seriesKey("AAPL" as Subject, "1m"));
  const stored = server.rest("AAPL").partial_bucket;
  expect([link.value.phase, shown.stale, stored?.rev]).toEqual(["open", false, 2]);
  expect(shown.buckets[0]?.rev).toBe(stored?.rev);
}, 15_000);
