/**
 * Nominal types for the numbers that are easy to mix up. A plain number is not assignable to any of
 * them, so a score cannot reach a function that expects a time. No time is ever in seconds.
 */
declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]: Name };

/** Milliseconds since the Unix epoch, or a length of time in milliseconds. */
export type Ms = Unit<"ms">;
/** Polarity in ten-thousandths, an integer in [-10000, 10000]: integers compare and cache exactly. */
export type E4 = Unit<"e4">;

export const ms = (value: number): Ms => value as Ms;
export const e4 = (value: number): E4 => value as E4;

export const SECOND = ms(1_000);
export const MINUTE = ms(60_000);
export const HOUR = ms(3_600_000);
export const DAY = ms(86_400_000);

export const addMs = (a: Ms, b: Ms): Ms => ms(a + b);
export const subMs = (a: Ms, b: Ms): Ms => ms(a - b);

/** The wire carries decimals with at most four places; rounding restores the integer they came from. */
export const polarityToE4 = (value: number): E4 => e4(Math.round(value * 10_000));
export const e4ToPolarity = (value: E4): number => value / 10_000;

const ISO_UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z$/;

/** Parses `2025-12-21T10:35:00Z`; null for anything that does not say UTC, so no local time slips in. */
export function parseIso(text: unknown): Ms | null {
  if (typeof text !== "string" || !ISO_UTC.test(text)) return null;
  const value = Date.parse(text);
  return Number.isNaN(value) ? null : ms(value);
}

/** The server's key form: no fraction when the millisecond part is zero. */
export function formatIso(value: Ms): string {
  return new Date(value).toISOString().replace(".000Z", "Z");
}
