import { afterEach, describe, expect, it } from "vitest";
import type { Link } from "../src/model/protocol.ts";
import type { BucketUpdate } from "../src/model/stream_event.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";
import { INITIAL_SYNC, reduce, seriesOf } from "../src/model/sync.ts";
import { parseSeries } from "../src/model/api_types.ts";
import { parseBucket } from "../src/model/bucket.ts";
import { formatIso, ms } from "../src/model/units.ts";
import { StreamClient } from "../src/stream/stream_client.ts";
import { FakeServer } from "./fake_server.ts";
import { SimClock, seeded, settle } from "./sim_clock.ts";

const AAPL = "AAPL" as Subject;
const KEY = seriesKey(AAPL, "1m");

type Handler = (url: string, headers: Headers, signal: AbortSignal) => Promise<Response> | Response;

/** A network in memory: bytes go through a real Response and a real stream, faults come from the handler. */
class Rig {
  readonly clock: SimClock;
  readonly client: StreamClient;
  readonly links: Link[] = [];
  readonly resyncs: string[] = [];
  readonly calls: { url: string; at: number; position: string | null }[] = [];
  updates: BucketUpdate[] = [];
  online = true;

  constructor(public handler: Handler, roll = seeded(1)) {
    this.clock = new SimClock(roll);
    this.client = new StreamClient(
      { fetch: (input, init) => this.#fetch(String(input), init), clock: this.clock, base: "", isOnline: () => this.online },
      {
        link: (link) => this.links.push(link),
        updates: (updates) => this.updates.push(...updates),
        items: () => undefined,
        resync: (epoch) => this.resyncs.push(epoch),
      },
    );
    this.client.setFilters({ subjects: [AAPL], resolutions: ["1m"] });
  }

  get phase(): Link["phase"] {
    return this.client.link.phase;
  }

  streams(): typeof this.calls {
    return this.calls.filter((call) => call.url.includes("/stream"));
  }

  async #fetch(url: string, init: RequestInit | undefined): Promise<Response> {
    const headers = new Headers(init?.headers);
    this.calls.push({ url, at: this.clock.now(), position: headers.get("Last-Event-ID") });
    return this.handler(url, headers, init?.signal ?? new AbortController().signal);
  }
}

interface Body {
  readonly response: Response;
  send(text: string): void;
  end(): void;
  fail(): void;
}

function openBody(signal: AbortSignal): Body {
  let control: ReadableStreamDefaultController<Uint8Array> | null = null;
  const body = new ReadableStream<Uint8Array>({ start: (given) => void (control = given), cancel: () => void (control = null) });
  const encoder = new TextEncoder();
  const use = (action: (given: ReadableStreamDefaultController<Uint8Array>) => void): void => {
    if (control !== null) action(control);
  };
  signal.addEventListener("abort", () => use((given) => { control = null; given.error(new DOMException("aborted", "AbortError")); }));
  return {
    response: new Response(body, { status: 200 }),
    send: (text) => use((given) => given.enqueue(encoder.encode(text))),
    end: () => use((given) => { control = null; given.close(); }),
    fail: () => use((given) => { control = null; given.error(new TypeError("network error")); }),
  };
}

const refuse = (status: number, headers: Record<string, string> = {}): Response => new Response("{}", { status, headers });
let rig: Rig;
afterEach(() => rig.client.close());

async function started(handler: Handler, seed: string | null = null): Promise<Rig> {
  rig = new Rig(handler);
  void rig.client.run();
  rig.client.seed(seed);
  await settle();
  return rig;
}

describe("the stream client", () => {
  it("starts at the page's first answer and resumes with Last-Event-ID", async () => {
    const server = new FakeServer(["AAPL"]);
    server.change("AAPL", 0, 0.5);
    let body: Body | null = null;
    await started((_url, headers, signal) => {
      body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID") ?? "g1.1"));
      return body.response;
    }, "g1.1");
    expect(rig.calls[0]?.position).toBe("g1.1");
    expect(rig.phase).toBe("open");
    expect(rig.resyncs).toEqual([]);
    server.change("AAPL", 1, -0.5);
    body!.send(server.since(1).join(""));
    await settle();
    expect(rig.updates.map((row) => row.bucket.rev)).toEqual([1]);
    body!.fail();
    await rig.clock.advance(31_000);
    expect(rig.calls[1]?.position).toBe("g1.2");
    expect(rig.phase).toBe("open");
  });

  it("gives up a connection on which not even a heartbeat comes", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    });
    await rig.clock.advance(24_000);
    expect(rig.streams().length).toBe(1);
    await rig.clock.advance(5_000);
    expect(rig.streams().length).toBe(2);
  });

  it("opens another when the reader asks and the open one has been silent, and leaves a live one alone", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    });
    await rig.clock.advance(10_000);
    rig.client.retry();
    await rig.clock.advance(100);
    expect(rig.streams().length).toBe(1);
    await rig.clock.advance(7_000);
    rig.client.retry();
    await rig.clock.advance(100);
    expect([rig.streams().length, rig.phase]).toEqual([2, "open"]);
  });

  it("honours Retry-After and never comes back sooner", async () => {
    await started(() => refuse(503, { "Retry-After": "7" }));
    await rig.clock.advance(6_900);
    expect(rig.streams().length).toBe(1);
    await rig.clock.advance(200);
    expect(rig.streams().length).toBe(2);
  });

  it.each([401, 403, 404])("treats %i as final", async (status) => {
    await started(() => refuse(status));
    await rig.clock.advance(600_000);
    expect(rig.calls.length).toBe(1);
    expect(rig.phase).toBe("stopped");
  });

  it("polls after three failures, from the same position, and tries the stream every minute", async () => {
    const server = new FakeServer(["AAPL"]);
    server.change("AAPL", 0, 0.1);
    await started((url) => {
      if (url.includes("/stream")) throw new TypeError("refused");
      const cursor = Number(/cursor=g1\.(\d+)/.exec(decodeURIComponent(url))?.[1] ?? "0");
      const events = server.log.slice(cursor).map((change) => ({ event: "bucket_update", data: change }));
      return Response.json({ epoch: "g1", cursor: `g1.${server.log.length}`, events, more: false });
    }, "g1.1");
    await rig.clock.advance(20_000);
    expect(rig.phase).toBe("polling");
    expect(rig.streams().length).toBe(3);
    server.change("AAPL", 1, 0.2);
    await rig.clock.advance(2_100);
    expect(rig.updates.map((row) => row.bucket.rev)).toEqual([1]);
    rig.links.length = 0;
    await rig.clock.advance(60_000);
    expect(rig.streams().length).toBe(4);
    expect(new Set(rig.links.map(({ phase }) => phase)), "a try is no loss").toEqual(new Set(["polling"]));
    expect(rig.clock.asleep, "waits for its next question alone, not for the limits of those answered").toBe(1);
  });

  it.each([1, 0])("knows the server's clock and the newest news while it polls, after %i streams that opened", async (streams) => {
    const server = new FakeServer(["AAPL"]);
    let behind = 90_250;
    let events: unknown[] = [];
    await started((url, headers, signal) => {
      if (url.includes("/changes")) {
        const date = new Date(rig.clock.now() + behind).toUTCString();
        return Response.json({ epoch: "g1", cursor: "g1.0", events, more: false }, { headers: { Date: date } });
      }
      if (rig.streams().length > streams) throw new TypeError("refused");
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      body.end();
      return body.response;
    }, "g1.0");
    expect(rig.client.link.clockOffset).toBe(0);
    await rig.clock.advance(20_000);
    expect(rig.phase).toBe("polling");
    expect(Math.abs(rig.client.link.clockOffset - behind)).toBeLessThanOrEqual(1_000);
    server.change("AAPL", 0, 0.1);
    const accepted = ms(Math.floor(rig.clock.now() / 1_000) * 1_000 + behind);
    events = [accepted, ms(accepted - 5_000)].map((at) => {
      return { event: "bucket_update", data: { ...server.log[0], origin_timestamp: formatIso(at) } };
    });
    await rig.clock.advance(2_100);
    events = [];
    const offsets = new Set<number>();
    for (let i = 0; i < 10; i++) {
      await rig.clock.advance(2_300);
      offsets.add(rig.client.link.clockOffset);
    }
    expect(offsets.size, "the seconds of a header are no reason to set the clock").toBe(1);
    expect(rig.client.link.heartbeat?.newestIngestAt).toBe(accepted);
    expect(rig.client.link.heartbeat?.lag, "what this one took, not what the one before did").toBeLessThanOrEqual(4_000);
    behind = -3_600_000;
    await rig.clock.advance(2_100);
    expect(Math.abs(rig.client.link.clockOffset - behind)).toBeLessThanOrEqual(1_000);
  });

  /** The shortest time between two calls of a kind. */
  const shortest = (part: string): number => {
    const times = rig.calls.filter((call) => call.url.includes(part)).map(({ at }) => at);
    expect(times.length).toBeGreaterThan(2);
    return Math.min(...times.slice(1).map((at, i) => at - (times[i] ?? 0)));
  };

  it("asks neither for a stream nor for changes sooner than it was told to", async () => {
    await started(() => refuse(429, { "Retry-After": "120" }), "g1.0");
    await rig.clock.advance(3_600_000);
    expect([shortest("/stream") >= 120_000, shortest("/changes") >= 120_000]).toEqual([true, true]);
  });

  it("asks for no stream sooner because the filters change, but when the reader says so", async () => {
    await started(() => refuse(429, { "Retry-After": "120" }), "g1.0");
    rig.client.setFilters({ subjects: [AAPL, "MSFT" as Subject], resolutions: ["1m"] });
    await rig.clock.advance(119_000);
    expect([rig.phase, rig.streams().length]).toEqual(["waiting", 1]);
    rig.client.retry();
    await settle();
    expect(rig.streams().length).toBe(2);
    rig.client.setFilters({ subjects: [AAPL], resolutions: ["1m"] });
    await rig.clock.advance(121_000);
    expect(rig.streams().map(({ url }) => url.includes("MSFT"))).toEqual([false, true, false]);
  });

  it("waits no longer because the clock was set back meanwhile", async () => {
    await started(() => refuse(429, { "Retry-After": "20" }), "g1.0");
    rig.clock.set(-7_200_000);
    await rig.clock.advance(21_000);
    expect(rig.streams().length).toBe(2);
  });

  it.each([5, 90])("goes on polling while the server has no room for its stream, and asks for one again after %i s", async (wait) => {
    const refusal = { detail: "all 9 stream connections are taken; poll /changes", max_connections: 9 };
    await started((url) => {
      if (url.includes("/stream")) return Response.json(refusal, { status: 503, headers: { "Retry-After": String(wait) } });
      return Response.json({ epoch: "g1", cursor: "g1.0", events: [], more: false });
    }, "g1.0");
    expect(rig.client.link).toMatchObject({ phase: "waiting", detail: "The server refused the stream: all 9 stream connections are taken." });
    await rig.clock.advance(3 * wait * 1_000);
    expect(rig.phase).toBe("polling");
    rig.links.length = rig.calls.length = 0;
    await rig.clock.advance(600_000);
    expect(rig.links.filter(({ phase }) => phase === "waiting")).toEqual([]);
    expect(rig.calls.filter(({ url }) => url.includes("/changes")).length).toBeGreaterThan(290);
    expect(shortest("/stream")).toBeGreaterThanOrEqual(Math.max(60, wait) * 1_000);
  });

  it("says what the server refuses the stream for", async () => {
    let [status, detail] = [429, "this address has 3 streams open, as many as one may; try again in 5 s"];
    await started(() => Response.json({ detail }, { status }));
    expect(rig.client.link.detail).toBe("The server refused the stream: this address has 3 streams open, as many as one may.");
    [status, detail] = [503, "buckets does not answer"];
    rig.client.retry();
    await settle();
    expect(rig.client.link.detail).toBe("The server refused the stream: buckets does not answer.");
    rig.handler = () => new Response("<html>", { status: 502 });
    rig.client.retry();
    await settle();
    expect(rig.client.link.detail).toBe("The server refused the stream: 502.");
  });

  it("counts a server that takes the question and never answers as one that is away", async () => {
    let mute = "/stream";
    const never = (signal: AbortSignal): Promise<Response> =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError"))));
    await started((url, _headers, signal) => {
      return url.includes(mute) ? never(signal) : Response.json({ epoch: "g1", cursor: "g1.0", events: [], more: false });
    }, "g1.0");
    await rig.clock.advance(40_000);
    expect([rig.phase, rig.streams().length]).toEqual(["polling", 3]);
    mute = "/";
    const polls = rig.calls.length;
    await rig.clock.advance(60_000);
    expect(rig.phase).not.toBe("polling");
    expect(rig.calls.length).toBeGreaterThan(polls + 2);
  });

  it("keeps a stream whose answer came in time", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    });
    await rig.clock.advance(20_000);
    expect([rig.phase, rig.streams().length]).toEqual(["open", 1]);
  });

  it("waits as long as a farewell asks, without counting it as a failure", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      body.send(server.frame("bye", { reason: "lifetime", reconnect_in_ms: 3_000 }, 0));
      body.end();
      return body.response;
    });
    await rig.clock.advance(2_900);
    expect(rig.streams().length).toBe(1);
    await rig.clock.advance(200);
    expect(rig.streams().length).toBe(2);
    expect(rig.client.link.failures).toBe(0);
  });

  it("stays live through a change of filters, but not without a greeting", async () => {
    const server = new FakeServer(["AAPL"]);
    let mute = false;
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      if (!mute) body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    });
    rig.links.length = 0;
    rig.client.setFilters({ subjects: [AAPL, "MSFT" as Subject], resolutions: ["1m"] });
    await rig.clock.advance(100);
    expect(rig.streams().length).toBe(2);
    expect(rig.links.every((link) => link.phase === "open")).toBe(true);
    mute = true;
    rig.client.setFilters({ subjects: [AAPL], resolutions: ["5m"] });
    await rig.clock.advance(2_000);
    expect(rig.phase).toBe("connecting");
  });

  it("goes back some seconds for who is new: the answer with its candles may have been kept as long", async () => {
    const server = new FakeServer(["AAPL"]);
    let body: Body | null = null;
    await started((_url, headers, signal) => {
      body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    }, "g1.0");
    const change = async (): Promise<void> => {
      server.change("AAPL", 0, 0.1);
      body!.send(server.since(server.log.length - 1).join(""));
      await settle();
    };
    const follow = async (text: string): Promise<string | null | undefined> => {
      rig.client.setFilters({ subjects: text.split(" ") as Subject[], resolutions: ["1m"] }, true);
      await rig.clock.advance(100);
      return rig.streams().at(-1)?.position;
    };
    await rig.clock.advance(5_000);
    await change();
    await rig.clock.advance(5_000);
    await change();
    await rig.clock.advance(900);
    await change();
    expect(await follow("AAPL MSFT")).toBe("g1.1");
    // What has not been sent again since is no place to go on from.
    expect(await follow("AAPL TSLA")).toBe("g1.1");
    await rig.clock.advance(5_000);
    expect(await follow("AAPL")).toBe("g1.3");
    server.promote("g2");
    body!.end();
    await rig.clock.advance(1_000);
    expect([rig.resyncs, await follow("MSFT")]).toEqual([["g2"], "g2.0"]);
  });

  it("is not live after a third failure while nothing is connected", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((url, headers, signal) => {
      if (url.includes("/changes")) return new Promise<Response>(() => undefined);
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      // A proxy cuts every stream right after the greeting.
      void rig.clock.sleep(ms(300), signal).then(() => body.end());
      return body.response;
    }, "g1.0");
    await rig.clock.advance(10_000);
    expect([rig.streams().length, rig.calls.length]).toEqual([3, 4]);
    expect(rig.phase).toBe("connecting");
  });

  it("does nothing offline and comes back at once", async () => {
    const server = new FakeServer(["AAPL"]);
    await started((_url, headers, signal) => {
      const body = openBody(signal);
      body.send(server.frames(headers.get("Last-Event-ID")));
      return body.response;
    });
    rig.online = false;
    rig.client.interrupt();
    await rig.clock.advance(300_000);
    expect(rig.phase).toBe("offline");
    expect(rig.streams().length).toBe(1);
    rig.online = true;
    rig.client.retry();
    await rig.clock.advance(10);
    expect(rig.phase).toBe("open");
  });
});

describe("a network that cuts, stalls, buffers, truncates and refuses", () => {
  /** Every connection misbehaves in a drawn way; in the end the weather clears. */
  async function weather(seed: number): Promise<{ got: unknown; wanted: unknown }> {
    const roll = seeded(seed);
    const server = new FakeServer(["AAPL"]);
    let healthy = false;
    const open: Body[] = [];
    await started((url, headers, signal) => {
      if (url.includes("/changes")) {
        if (!healthy && roll() < 0.4) throw new TypeError("refused");
        const position = /cursor=([^&]*)/.exec(url)?.[1];
        const [epoch, cursor] = decodeURIComponent(position ?? "").split(".", 2);
        const known = epoch === server.epoch;
        const events = server.log.slice(known ? Number(cursor) : 0).map((change) => ({ event: "bucket_update", data: change }));
        return Response.json({ epoch: server.epoch, cursor: `${server.epoch}.${server.log.length}`, events, more: false });
      }
      const fault = healthy ? 1 : roll();
      if (fault < 0.12) throw new TypeError("refused");
      if (fault < 0.2) return refuse(503, { "Retry-After": "1" });
      if (fault < 0.25) return refuse(429);
      const body = openBody(signal);
      const text = server.frames(headers.get("Last-Event-ID"));
      if (fault < 0.5) {
        // Truncated at any byte, even inside a character or between two lines of one message.
        body.send(text.slice(0, Math.floor(roll() * text.length)));
        if (roll() < 0.5) body.fail();
        else if (roll() < 0.5) body.end();
      } else {
        body.send(text);
        open.push(body);
      }
      return body.response;
    });
    let state = INITIAL_SYNC;
    let resyncs = 0;
    const take = (): void => {
      for (; resyncs < rig.resyncs.length; resyncs++) {
        state = reduce(state, { kind: "resync", epoch: rig.resyncs[resyncs] ?? "" });
        const rest = server.rest("AAPL");
        const answer = parseSeries(rest);
        const older = rest.older_partials.map(parseBucket).filter((bucket) => bucket !== null);
        if (answer !== null) state = reduce(state, { kind: "fetched", key: KEY, generation: answer.generation, buckets: [...older, ...answer.buckets], askedAtBreak: state.breaks, full: true, whole: answer.whole });
      }
      state = reduce(state, { kind: "updates", updates: rig.updates.splice(0) });
    };
    for (let i = 0; i < 25; i++) {
      const at = server.log.length;
      server.change("AAPL", Math.floor(roll() * 6), Math.round((roll() * 2 - 1) * 10_000) / 10_000);
      for (const body of open) body.send(server.since(at).join(""));
      if (roll() < 0.25) open.splice(0).forEach((body) => body.fail());
      await rig.clock.advance(Math.floor(roll() * 8_000));
      take();
    }
    healthy = true;
    open.splice(0).forEach((body) => body.fail());
    await rig.clock.advance(130_000);
    take();
    rig.client.close();
    const rest = server.rest("AAPL");
    const wanted = [...rest.buckets, ...rest.older_partials, rest.partial_bucket].map(parseBucket).filter((bucket) => bucket !== null);
    return { got: seriesOf(state, KEY).buckets, wanted: wanted.sort((a, b) => a.start - b.start) };
  }

  it("ends with the state of a fresh fetch after more than 1,000 connections", async () => {
    let connections = 0;
    for (let seed = 1; connections <= 1_000; seed++) {
      const { got, wanted } = await weather(seed);
      expect(got, `seed ${seed}`).toEqual(wanted);
      connections += rig.streams().length;
    }
  }, 60_000);
});

/** A proxy that holds back every stream: headers come, nothing else. Changes can be asked for. */
const buffering: Handler = (url, _headers, signal) => {
  if (url.includes("/stream")) return openBody(signal).response;
  return Response.json({ epoch: "g1", cursor: "g1.0", resumed: true, events: [], more: false });
};
const gaps = (): number[] => {
  const times = rig.calls.filter(({ url }) => url.includes("/changes")).map(({ at }) => at);
  return times.slice(1).map((at, i) => at - (times[i] ?? 0));
};

it("a reader who changes what is shown while the page polls does not stop the polling", async () => {
  await started(buffering, "g1.0");
  await rig.clock.advance(40_000);
  expect(rig.phase).toBe("polling");
  rig.calls.length = 0;
  for (const ticker of ["MSFT", "TSLA", "NVDA"]) {
    await rig.clock.advance(4_500);
    rig.client.setFilters({ subjects: [ticker as Subject], resolutions: ["1m"] }, true);
    await rig.clock.advance(4_500);
  }
  expect(rig.streams().length, "tries of a stream within half a minute").toBeLessThanOrEqual(1);
  expect(Math.max(...gaps())).toBeLessThanOrEqual(2_500);
});
