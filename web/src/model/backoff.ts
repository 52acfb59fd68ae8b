import { type Ms, ms } from "./units.ts";

export const BACKOFF_BASE = ms(250);
export const BACKOFF_CAP = ms(30_000);

/**
 * Full jitter: uniform between the base and an exponentially growing ceiling, so that a thousand
 * browsers cut off together do not come back together. `random` is in [0, 1).
 */
export function backoff(failures: number, random: number): Ms {
  const ceiling = Math.min(BACKOFF_CAP, BACKOFF_BASE * 2 ** Math.min(failures, 16));
  return ms(Math.round(BACKOFF_BASE + random * (ceiling - BACKOFF_BASE)));
}

/** Five minutes. */
export const LONGEST_WAIT = ms(300_000);

/** `Retry-After` in seconds or as a date. Null when absent or unreadable; never longer than `LONGEST_WAIT`. */
export function retryAfter(header: string | null, now: Ms): Ms | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  const wait = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(header) - now;
  if (Number.isNaN(wait)) return null;
  return ms(Math.min(Math.max(wait, 0), LONGEST_WAIT));
}
