import { signal } from "@preact/signals";
import { delayText, scoreEdges } from "../model/facets.ts";
import type { FilterName, Filters } from "../model/filters.ts";
import { momentText, scoreText, windowText, type Zone } from "../model/format.ts";
import { type Ms, parseIso, polarityToE4 } from "../model/units.ts";

/** The edges of the bins of delays, as the newest answer with facets had them: a bin's lower edge is its neighbour. */
export const delayEdges = signal<readonly (Ms | null)[]>([]);

/** `−0.40 to −0.30`. */
export function scoreRangeText(name: string): string {
  const [from, to] = scoreEdges(name);
  return `${scoreText(polarityToE4(from))} to ${scoreText(polarityToE4(to))}`;
}

/** The chosen stretch of time as one: `Nov 27, 14:00–15:00`; null unless both ends are given. */
export function rangeText(filters: Filters, zone: Zone): string | null {
  const [from, to] = [parseIso(filters.from), parseIso(filters.to)];
  return from === null || to === null || to <= from ? null : windowText(from, to, zone);
}

/** A filter in the reader's words. */
export function filterText(name: FilterName, value: string, zone: Zone): string {
  const at = parseIso(value);
  switch (name) {
    case "ticker":
      return value;
    case "tag":
      return `#${value}`;
    case "label":
    case "source":
    case "model":
      return `${name} ${value}`;
    case "score":
      return `score ${scoreRangeText(value)}`;
    case "arrival":
      return `arrival ${delayText(delayEdges.value, value)}`;
    case "scoring":
      return `scoring ${delayText(delayEdges.value, value)}`;
    case "hours":
      return value === "1" ? "the last hour" : value === "168" ? "the last 7 days" : `the last ${value} hours`;
    case "from":
      return `from ${at === null ? value : momentText(at, zone)}`;
    case "to":
      return `before ${at === null ? value : momentText(at, zone)}`;
  }
}
