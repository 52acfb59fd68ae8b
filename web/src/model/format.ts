import { DAY, type E4, e4ToPolarity, HOUR, MINUTE, type Ms, ms, SECOND } from "./units.ts";

export type Zone = "local" | "utc";

/** U+2212, the minus sign that is as wide as the plus sign, so that columns of scores stand still. */
const MINUS = "\u2212";

const scores = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const counts = new Intl.NumberFormat(undefined);

/** `+0.42`, `−0.10`, `0.00`, with the reader's decimal sign: the sign is always there because polarity is about it. */
export function scoreText(value: E4): string {
  const text = scores.format(Math.abs(e4ToPolarity(value)));
  if (Math.abs(value) < 50) return text;
  return value < 0 ? `${MINUS}${text}` : `+${text}`;
}

export const countText = (value: number): string => counts.format(value);

export const articlesText = (count: number): string => `${countText(count)} ${count === 1 ? "article" : "articles"}`;

/** `12 s`, `4 min`, `3 h`, `2 d`: one unit, rounded down, never negative. */
export function ageText(age: Ms): string {
  const value = Math.max(0, age);
  if (value < MINUTE) return `${Math.floor(value / SECOND)} s`;
  if (value < HOUR) return `${Math.floor(value / MINUTE)} min`;
  if (value < 2 * DAY) return `${Math.floor(value / HOUR)} h`;
  return `${Math.floor(value / DAY)} d`;
}

/** `0:23`, `14:05`, `3:14:05`: the time a live candle has left. */
export function countdownText(left: Ms): string {
  const seconds = Math.max(0, Math.ceil(left / SECOND));
  const two = (value: number): string => String(value).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** `340 ms`, `2.4 s`, `5 min`. */
export function latencyText(latency: Ms): string {
  const tenths = Math.round(latency / 100);
  if (tenths < 10) return `${Math.round(latency)} ms`;
  return tenths < 600 ? `${countText(tenths / 10)} s` : ageText(ms(tenths * 100));
}

const shiftAt = (at: number): number => new Date(at).getTimezoneOffset();

/** Each for one zone of the machine, known by how far it is from UTC at two times of a year: a traveller's changes. */
const formatters = new Map<string, Intl.DateTimeFormat>();
const NOVEMBER = 1_700_000_000_000;
const JULY = 1_720_000_000_000;

function formatter(zone: Zone, name: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone}/${name}/${shiftAt(NOVEMBER)}/${shiftAt(JULY)}`;
  let found = formatters.get(key);
  if (found === undefined) {
    const base: Intl.DateTimeFormatOptions = zone === "utc" ? { ...options, timeZone: "UTC" } : options;
    found = new Intl.DateTimeFormat(undefined, base);
    formatters.set(key, found);
  }
  return found;
}

const CLOCK: Intl.DateTimeFormatOptions = { hour: "numeric", minute: "2-digit" };
const DATE: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };

export const clockText = (at: Ms, zone: Zone): string => formatter(zone, "clock", CLOCK).format(at);
export const secondsText = (at: Ms, zone: Zone): string =>
  formatter(zone, "seconds", { ...CLOCK, second: "2-digit" }).format(at);
export const dateText = (at: Ms, zone: Zone): string => formatter(zone, "date", DATE).format(at);
export const yearText = (at: Ms, zone: Zone): string => formatter(zone, "year", { year: "numeric" }).format(at);
export const momentText = (at: Ms, zone: Zone): string => `${dateText(at, zone)}, ${clockText(at, zone)}`;

/**
 * `21 Dec, 10:35–10:40` as the reader's own language writes it; the date comes twice when the window crosses midnight.
 * Within an hour of a change of clocks both ends name their zone: there two windows read the same, and so may two ends.
 */
export function windowText(start: Ms, end: Ms, zone: Zone): string {
  const options = { ...DATE, ...CLOCK };
  if (zone === "utc" || shiftAt(start - HOUR) === shiftAt(end + HOUR)) return formatter(zone, "window", options).formatRange(start, end);
  const named = formatter(zone, "named", { ...options, timeZoneName: "short" });
  return `${named.format(start)} – ${named.format(end)}`;
}

/** The name of the zone in use, for the label next to the axis: `UTC` or `GMT+1`, which follows DST. */
export function zoneName(at: Ms, zone: Zone): string {
  if (zone === "utc") return "UTC";
  const parts = formatter(zone, "zone", { timeZoneName: "short", hour: "2-digit" }).formatToParts(at);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "local";
}
