import { clockText, dateText, momentText, yearText, type Zone } from "../model/format.ts";
import { DAY, HOUR, type Ms } from "../model/units.ts";

/** The kinds of tick the chart library distinguishes, from the largest step to the smallest. */
export type TickKind = "year" | "month" | "day" | "time";

/**
 * The words of one tick. The library places its day ticks at UTC midnight; in another zone such a
 * tick is an ordinary hour, and local midnight gets the date, so that the axis never tells a lie.
 */
export function tickText(at: Ms, kind: TickKind, slotMs: Ms, zone: Zone): string {
  if (slotMs >= DAY) return kind === "year" ? yearText(at, zone) : dateText(at, zone);
  const clock = clockText(at, zone);
  if (clock === "00:00") return dateText(at, zone);
  const coarse = slotMs > HOUR;
  return coarse && kind !== "time" ? dateText(at, zone) : clock;
}

export const crosshairText = (at: Ms, zone: Zone): string => momentText(at, zone);
