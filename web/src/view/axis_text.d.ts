import { type Zone } from "../model/format.ts";
import { type Ms } from "../model/units.ts";
/** The kinds of tick the chart library distinguishes, from the largest step to the smallest. */
export type TickKind = "year" | "month" | "day" | "time";
/**
 * The words of one tick. The library places its day ticks at UTC midnight; in another zone such a
 * tick is an ordinary hour, and local midnight gets the date, so that the axis never tells a lie.
 */
export declare function tickText(at: Ms, kind: TickKind, slotMs: Ms, zone: Zone): string;
export declare const crosshairText: (at: Ms, zone: Zone) => string;
