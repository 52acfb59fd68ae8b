import type { Zone } from "./format.ts";
import { MINUTE, type Ms, ms } from "./units.ts";

/** The text of a `datetime-local` field, which knows no zone: it shows the wall clock the reader has chosen. */
export function toDateInput(at: Ms, zone: Zone): string {
  const shift = zone === "utc" ? 0 : new Date(at).getTimezoneOffset() * MINUTE;
  return new Date(at - shift).toISOString().slice(0, 16);
}

/** Null for an empty or unfinished field. An hour that a change of clocks skips becomes the one after it. */
export function fromDateInput(text: string, zone: Zone): Ms | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/.test(text)) return null;
  const value = zone === "utc" ? Date.parse(`${text.slice(0, 16)}:00Z`) : new Date(`${text.slice(0, 16)}:00`).getTime();
  return Number.isNaN(value) ? null : ms(value);
}
