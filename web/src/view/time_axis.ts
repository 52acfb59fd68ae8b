import { momentText, dateText, clockText, yearText, type Zone } from "../model/format.ts";
import { DAY, MINUTE, type Ms, ms } from "../model/units.ts";

/**
 * The time axis of the chart in milliseconds and in the reader's own calendar: a day begins at local
 * midnight, also on the two days a year on which that day has 23 or 25 hours. The numbers are the
 * library's tick weights: the heavier a place, the sooner it gets a label.
 */
const YEAR = 70;
const MONTH = 60;
const DATE = 50;
const STEPS: readonly { readonly minutes: number; readonly weight: number }[] = [
  { minutes: 720, weight: 33 },
  { minutes: 360, weight: 32 },
  { minutes: 180, weight: 31 },
  { minutes: 60, weight: 30 },
  { minutes: 30, weight: 22 },
  { minutes: 5, weight: 21 },
  { minutes: 1, weight: 20 },
];
const HOUR_WEIGHT = 30;

/** Year, month, date and minute of the day, as the clock on the wall shows them. */
function calendar(at: Ms, zone: Zone): readonly [number, number, number, number] {
  const date = new Date(at);
  return zone === "utc"
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours() * 60 + date.getUTCMinutes()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours() * 60 + date.getMinutes()];
}

/** The weight of a place, from what changed on the calendar since the place before it. */
export function weightOf(at: Ms, before: Ms, zone: Zone): number {
  const now = calendar(at, zone);
  const then = calendar(before, zone);
  if (now[0] !== then[0]) return YEAR;
  if (now[1] !== then[1]) return MONTH;
  if (now[2] !== then[2]) return DATE;
  const crossed = STEPS.find(({ minutes }) => Math.floor(now[3] / minutes) !== Math.floor(then[3] / minutes));
  return crossed?.weight ?? 0;
}

export function labelOf(at: Ms, weight: number, zone: Zone): string {
  if (weight >= YEAR) return yearText(at, zone);
  return weight >= DATE ? dateText(at, zone) : clockText(at, zone);
}

interface Place {
  timeWeight: number;
  readonly time: unknown;
}

/** What the library asks of a horizontal scale; it hands our own milliseconds back to us. */
export class TimeAxis<Options> {
  zone: Zone = "local";
  #options: Options | null = null;

  options(): Options {
    if (this.#options === null) throw new Error("the chart has not set its options yet");
    return this.#options;
  }

  setOptions(options: Options): void {
    this.#options = options;
  }

  preprocessData(): void {}

  updateFormatter(): void {}

  convertHorzItemToInternal = (item: unknown): unknown => item;

  createConverterToInternalObj = (): ((item: unknown) => unknown) => (item) => item;

  key = (item: unknown): number => item as number;

  cacheKey = (item: unknown): number => item as number;

  formatHorzItem = (item: unknown): string => momentText(item as Ms, this.zone);

  formatTickmark = (mark: { readonly time: unknown; readonly weight: number }): string =>
    labelOf(mark.time as Ms, mark.weight, this.zone);

  /** The zone may have changed since a label was made, and a screen has only a dozen of them. */
  shouldResetTickmarkLabels = (): boolean => true;

  /** The heaviest marks are bold; among hours none is heavier than another. */
  maxTickMarkWeight(marks: readonly { readonly weight: number }[]): number {
    const heaviest = marks.reduce((most, mark) => Math.max(most, mark.weight), 0);
    return heaviest > HOUR_WEIGHT && heaviest < DATE ? HOUR_WEIGHT : heaviest;
  }

  fillWeightsForPoints(places: readonly Place[], from: number): void {
    for (let i = from; i < places.length; i++) {
      const place = places[i];
      const before = places[i - 1];
      if (place === undefined) continue;
      const at = place.time as Ms;
      // Nothing stands before the first place; what would stand there is guessed from the step after it.
      const step = Math.min(DAY, Math.max(MINUTE, ((places[1]?.time as Ms | undefined) ?? at + MINUTE) - at));
      place.timeWeight = weightOf(at, before === undefined ? ms(at - step) : (before.time as Ms), this.zone);
    }
  }
}
