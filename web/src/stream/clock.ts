import { type Ms, ms } from "../model/units.ts";

/** Time and chance as a value, so that a test can run an hour of reconnecting in a few milliseconds. */
export interface Clock {
  now(): Ms;
  random(): number;
  /** Resolves after `wait`, or at once when the signal fires. Never rejects. */
  sleep(wait: Ms, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => ms(Date.now()),
  random: () => Math.random(),
  sleep: (wait, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, wait);
      signal.addEventListener("abort", done);
    }),
};
