import type { Clock } from "../src/stream/clock.ts";
import { ms, type Ms } from "../src/model/units.ts";

/** Node's own; the browser's types do not have it. */
declare function setImmediate(run: () => void): void;

interface Sleeper {
  at: number;
  wake(): void;
}

/** A clock that only moves when the test says so; an hour of reconnecting takes milliseconds. */
export class SimClock implements Clock {
  #now: number;
  readonly #roll: () => number;
  #sleepers: Sleeper[] = [];

  constructor(roll: () => number, start = Date.UTC(2025, 11, 21, 10)) {
    this.#roll = roll;
    this.#now = start;
  }

  now = (): Ms => ms(this.#now);
  random = (): number => this.#roll();

  sleep = (wait: Ms, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const sleeper: Sleeper = {
        at: this.#now + wait,
        wake: () => {
          this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
          signal.removeEventListener("abort", sleeper.wake);
          resolve();
        },
      };
      signal.addEventListener("abort", sleeper.wake);
      this.#sleepers.push(sleeper);
    });

  /** Sets the clock, as its owner does: who sleeps is not woken by it, nor kept longer. */
  set(by: number): void {
    this.#now += by;
    for (const sleeper of this.#sleepers) sleeper.at += by;
  }

  /** How many wait for their time. */
  get asleep(): number {
    return this.#sleepers.length;
  }

  /** Lets everything that is ready run, then moves time forward, waking sleepers in order. */
  async advance(wait: number): Promise<void> {
    const until = this.#now + wait;
    for (;;) {
      await settle();
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > until) break;
      this.#now = Math.max(this.#now, next.at);
      next.wake();
    }
    this.#now = until;
    await settle();
  }
}

/** A few turns of the event loop: streams pass their chunks on through more than one. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
