import type { EventSourceMessage } from "eventsource-parser";
import { backoff, LONGEST_WAIT, retryAfter } from "../model/backoff.ts";
import { QUIET_AFTER } from "../model/health.ts";
import { INITIAL_LINK, KEPT_FOR, type Link } from "../model/protocol.ts";
import { raw, textOf } from "../model/raw.ts";
import type { ResolutionId } from "../model/resolution.ts";
import { parseMessage, type BucketUpdate, type NewItem, type StreamEvent } from "../model/stream_event.ts";
import type { Subject } from "../model/subject.ts";
import { addMs, type Ms, ms, SECOND, subMs } from "../model/units.ts";
import type { Clock } from "./clock.ts";
import { poll } from "./poller.ts";
import { readMessages } from "./sse_reader.ts";

/** Heartbeats come every 10 s; after two and a half missed ones the connection is dead, whatever TCP believes. */
export const QUIET_LIMIT = ms(25_000);
/** The server answers and greets at once; a connection on which it does not is dead, or is being buffered on the way. */
export const FIRST_MESSAGE_LIMIT = ms(8_000);
/** A connection that held this long was a working one, so the next failure starts a new count. */
export const STABLE_AFTER = ms(1_000);
/** A change of filters opens a new connection; the page goes on calling itself live only this long without a greeting. */
export const REOPEN_GRACE = ms(1_500);
/** After this many failures in a row the page asks for changes instead of waiting for a stream. */
export const FAILURES_BEFORE_POLLING = 3;
export const POLL_EVERY = ms(2_000);
export const STREAM_RETRY_WHILE_POLLING = ms(60_000);
/** How long the first connection waits for the position of the page's first REST answer. */
export const SEED_WAIT = ms(1_500);

export interface Filters {
  readonly subjects: readonly Subject[];
  readonly resolutions: readonly ResolutionId[];
}

export interface Sink {
  link(link: Link): void;
  updates(updates: readonly BucketUpdate[]): void;
  items(items: readonly NewItem[]): void;
  /** The stream could not resume exactly: everything must be fetched again. */
  resync(epoch: string): void;
}

export interface ClientDeps {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly base: string;
  isOnline(): boolean;
}

const FINAL_STATUSES: readonly number[] = [400, 401, 403, 404, 422];

/** Why the server refuses, in its own words; what a program can do about it, which stands behind, is left out. */
async function reasonOf(response: Response): Promise<string> {
  const problem = raw<{ detail: string }>(await response.json().catch(() => null));
  return textOf(problem.detail).split(";", 1)[0] ?? "";
}

/** One connection's worth of reconnecting: owns the position, the failures and what the pill is told. */
export class StreamClient {
  readonly #deps: ClientDeps;
  readonly #sink: Sink;
  #filters: Filters = { subjects: [], resolutions: [] };
  #epoch: string | null = null;
  /** The id of the last event, or where the page's first answer says that the stream goes on. */
  #position: string | null = null;
  /** The positions of the last seconds, oldest first; the first one is older, unless there was none. */
  #passed: { readonly at: Ms; readonly position: string }[] = [];
  #seeded = false;
  #link: Link = INITIAL_LINK;
  #serverWait: Ms | null = null;
  /** Until then the server is asked for no stream, whatever else changes; questions for changes are another thing. */
  #noStreamBefore = ms(0);
  #pollFailures = 0;
  #greeted = false;
  #paused = false;
  /** Fires to wake whatever the loop is doing: a new filter, a retry, a network that came back. */
  #wake = new AbortController();
  #closed = false;

  constructor(deps: ClientDeps, sink: Sink) {
    this.#deps = deps;
    this.#sink = sink;
  }

  get link(): Link {
    return this.#link;
  }

  /** The live generation as the stream has named it; null before it has. */
  get epoch(): string | null {
    return this.#epoch;
  }

  /** Follows these from now on; goes back with `again`: somebody is new to some of them. */
  setFilters(filters: Filters, again = false): void {
    if (!again && JSON.stringify(filters) === JSON.stringify(this.#filters)) return;
    this.#filters = filters;
    const until = this.#deps.clock.now() - KEPT_FOR;
    const back = this.#passed.findLast(({ at }) => at <= until) ?? this.#passed[0];
    if (again && back !== undefined) {
      this.#position = back.position;
      this.#passed = [back];
    }
    this.interrupt();
  }

  /** The position of the first REST answer; ignored once the stream has a position of its own. */
  seed(cursor: string | null): void {
    if (this.#seeded) return;
    this.#seeded = true;
    if (this.#position === null && cursor !== null) this.#moveTo(cursor);
    this.interrupt();
  }

  pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.interrupt();
  }

  /** Tries again now: the reader asked, or the network came back. A stream that is heard of is left alone. */
  retry(): void {
    const { phase, heardAt } = this.#link;
    if (phase === "open" && this.#deps.clock.now() - (heardAt ?? 0) < QUIET_AFTER) return;
    this.#noStreamBefore = ms(0);
    this.#update({ failures: 0 });
    this.interrupt();
  }

  /** What is open or waited for is no longer right: the loop begins anew at once. */
  interrupt(): void {
    this.#wake.abort();
  }

  close(): void {
    this.#closed = true;
    this.interrupt();
  }

  async run(): Promise<void> {
    await this.#awaitSeed();
    while (!this.#closed) {
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
      const blocked = this.#blockedPhase();
      if (blocked !== null) {
        this.#update({ phase: blocked, retryAt: null });
        await this.#sleep(ms(60_000));
      } else if (this.#link.failures >= FAILURES_BEFORE_POLLING) {
        await this.#pollForAWhile();
      } else if (this.#pause() > 0) {
        await this.#wait(this.#pause(), this.#link.detail);
      } else {
        await this.#streamOnce();
      }
    }
  }

  /** A stream that starts at the page's first REST answer needs no snapshot and no second fetch. */
  async #awaitSeed(): Promise<void> {
    const { clock } = this.#deps;
    const until = addMs(clock.now(), SEED_WAIT);
    while (!this.#seeded && !this.#closed && clock.now() < until) {
      this.#wake = new AbortController();
      await this.#sleep(subMs(until, clock.now()));
    }
    this.#seeded = true;
  }

  #blockedPhase(): "offline" | "paused" | null {
    if (!this.#deps.isOnline()) return "offline";
    return this.#paused || this.#filters.subjects.length === 0 ? "paused" : null;
  }

  /** What is left to wait. More than the longest wait there is means that the clock was set back. */
  #pause(): Ms {
    const left = subMs(this.#noStreamBefore, this.#deps.clock.now());
    return left > LONGEST_WAIT ? ms(0) : left;
  }

  #sleep(wait: Ms): Promise<void> {
    return this.#deps.clock.sleep(wait, this.#wake.signal);
  }

  /** Asks, and gives up like an aborted question when the answer does not come. */
  #inTime<T>(signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = new AbortController();
    const answered = new AbortController();
    const limit = this.#deps.clock.sleep(FIRST_MESSAGE_LIMIT, AbortSignal.any([signal, answered.signal]));
    void limit.then(() => answered.signal.aborted || late.abort());
    return ask(AbortSignal.any([signal, late.signal])).finally(() => answered.abort());
  }

  #update(change: Partial<Link>): void {
    this.#link = { ...this.#link, ...change };
    this.#sink.link(this.#link);
  }

  url(path: string): string {
    const { subjects, resolutions } = this.#filters;
    const list = (values: readonly string[]): string => values.map(encodeURIComponent).join(",");
    return `${this.#deps.base}${path}?tickers=${list(subjects)}&resolutions=${list(resolutions)}`;
  }

  async #streamOnce(): Promise<void> {
    const { signal } = this.#wake;
    this.#announceConnecting(signal);
    this.#serverWait = null;
    const response = await this.#open(signal);
    if (response === null || signal.aborted) return;
    const openedAt = this.#deps.clock.now();
    const limits = { first: FIRST_MESSAGE_LIMIT, quiet: QUIET_LIMIT };
    const end = await readMessages(response, (messages) => this.#accept(messages), limits, this.#deps.clock, signal);
    const held = this.#deps.clock.now() - openedAt >= STABLE_AFTER && this.#link.phase === "open";
    if (held) this.#update({ failures: 0 });
    if (end === "aborted") return;
    if (this.#serverWait !== null) return this.#wait(this.#serverWait, "The server asked the page to reconnect.");
    const why = end === "silent" ? "The server went silent." : "The connection was lost.";
    this.#fail(why, null);
  }

  #announceConnecting(signal: AbortSignal): void {
    this.#greeted = false;
    // While answers come the try of a stream is no news.
    if (this.#link.phase === "polling") return;
    if (this.#link.phase !== "open") return this.#update({ phase: "connecting", retryAt: null });
    void this.#deps.clock.sleep(REOPEN_GRACE, signal).then(() => {
      if (!this.#greeted && !signal.aborted && this.#link.phase === "open") this.#update({ phase: "connecting" });
    });
  }

  async #open(signal: AbortSignal): Promise<Response | null> {
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.#position !== null) headers["Last-Event-ID"] = this.#position;
    const url = this.url("/api/v2/stream");
    let response: Response;
    let why = "";
    const ask = async (signal: AbortSignal): Promise<Response> => {
      const answer = await this.#deps.fetch(url, { headers, signal, cache: "no-store" });
      if (answer.status !== 200) why = await reasonOf(answer);
      return answer;
    };
    try {
      response = await this.#inTime(signal, ask);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
      if (!signal.aborted) this.#fail("The server cannot be reached.", null);
      return null;
    }
    if (response.status === 200) return response;
    if (!signal.aborted) await this.#refused(response, why, signal);
    return null;
  }

  async #refused({ status, headers }: Response, why: string, signal: AbortSignal): Promise<void> {
    const detail = `The server refused the stream: ${why || status}.`;
    if (FINAL_STATUSES.includes(status)) {
      this.#update({ phase: "stopped", detail });
      while (!signal.aborted) await this.#sleep(ms(3_600_000));
      return;
    }
    this.#fail(detail, retryAfter(headers.get("Retry-After"), this.#deps.clock.now()));
  }

  #fail(detail: string, wait: Ms | null): void {
    const { clock } = this.#deps;
    const failures = this.#link.failures + 1;
    this.#update({ phase: this.#link.phase === "polling" ? "polling" : "connecting", failures, detail });
    this.#noStreamBefore = addMs(clock.now(), wait ?? backoff(failures, clock.random()));
  }

  async #wait(wait: Ms, detail: string | null): Promise<void> {
    this.#update({ phase: "waiting", detail, retryAt: addMs(this.#deps.clock.now(), wait) });
    await this.#sleep(wait);
  }

  /** Polls for a minute at least, then lets the loop try one stream; a server that is away altogether gets that try sooner. */
  async #pollForAWhile(): Promise<void> {
    const { clock } = this.#deps;
    let until = Math.max(addMs(clock.now(), STREAM_RETRY_WHILE_POLLING), this.#noStreamBefore);
    const { signal } = this.#wake;
    while (clock.now() < until && !signal.aborted) {
      const url = this.url("/api/v2/changes");
      const answer = await this.#inTime(signal, (signal) => poll(this.#deps.fetch, url, this.#position, signal));
      if (signal.aborted) return;
      if ("retryAfter" in answer) {
        this.#pollFailures += 1;
        const wait = retryAfter(answer.retryAfter, clock.now()) ?? backoff(this.#pollFailures, clock.random());
        await this.#wait(wait, "The server cannot be reached.");
        until = this.#noStreamBefore;
        continue;
      }
      this.#pollFailures = 0;
      this.#follow(answer.epoch, answer.resumed);
      this.#moveTo(answer.cursor);
      const clockOffset = this.#offsetBy(answer.serverTime);
      this.#update({ phase: "polling", retryAt: null, heardAt: clock.now(), clockOffset });
      this.#deliver(answer.events);
      if (!answer.more) await this.#sleep(POLL_EVERY);
    }
    if (!signal.aborted && clock.now() >= this.#noStreamBefore) this.#update({ failures: FAILURES_BEFORE_POLLING - 1 });
  }

  /** A poll tells the time in whole seconds, so what a heartbeat told to the millisecond stands while the two agree. */
  #offsetBy(serverTime: Ms | null): Ms {
    const known = this.#link.clockOffset;
    const offset = serverTime === null ? known : subMs(serverTime, this.#deps.clock.now());
    return Math.abs(offset - known) > SECOND ? offset : known;
  }

  /** Says so when what comes now does not go on where the last news ended. */
  #follow(epoch: string, resumed: boolean): void {
    const changed = this.#epoch !== null && this.#epoch !== epoch;
    this.#epoch = epoch;
    if (resumed && !changed) return;
    this.#passed = [];
    this.#sink.resync(epoch);
  }

  #moveTo(position: string): void {
    const at = this.#deps.clock.now();
    this.#position = position;
    // One for each millisecond, also when the clock was set back.
    while ((this.#passed.at(-1)?.at ?? 0) >= at) this.#passed.pop();
    this.#passed.push({ at, position });
    while ((this.#passed[1]?.at ?? at) <= at - KEPT_FOR) this.#passed.shift();
  }

  #accept(messages: readonly EventSourceMessage[]): void {
    const events: StreamEvent[] = [];
    for (const message of messages) {
      const event = parseMessage(message.event ?? "message", message.data);
      if (event === null) continue;
      this.#advance(message.id, event);
      events.push(event);
    }
    this.#update({ heardAt: this.#deps.clock.now() });
    this.#deliver(events);
  }

  /** Moves the position to a message that was understood; a damaged one is passed over with the next. */
  #advance(id: string | undefined, event: StreamEvent): void {
    if (event.kind === "hello") {
      this.#greeted = true;
      this.#follow(event.epoch, event.resumed);
      this.#update({ phase: "open", detail: null, retryAt: null });
    }
    if (id) this.#moveTo(id);
  }

  #deliver(events: readonly StreamEvent[]): void {
    const updates = events.flatMap((event) => (event.kind === "buckets" ? event.updates : []));
    const items = events.flatMap((event) => (event.kind === "item" ? [event.item] : []));
    for (const event of events) {
      if (event.kind === "bye") this.#serverWait = event.reconnectIn;
      if (event.kind !== "heartbeat") continue;
      const { heartbeat } = event;
      const offset = heartbeat.serverTime === null ? this.#link.clockOffset : subMs(heartbeat.serverTime, this.#deps.clock.now());
      this.#update({ heartbeat, clockOffset: offset });
    }
    const { heartbeat } = this.#link;
    // A poll carries no heartbeat, so the newest event is the newest that the updates tell of.
    const newestIngestAt = ms(Math.max(...updates.map(({ origin }) => origin ?? 0)));
    if (newestIngestAt > (heartbeat?.newestIngestAt ?? 0)) {
      const lag = ms(this.#deps.clock.now() + this.#link.clockOffset - newestIngestAt);
      // Where no stream ever opened, updates alone tell of the server.
      this.#update({ heartbeat: { serverTime: null, connections: null, storeUp: true, ...heartbeat, newestIngestAt, lag } });
    }
    if (updates.length > 0) this.#sink.updates(updates);
    if (items.length > 0) this.#sink.items(items);
  }
}
