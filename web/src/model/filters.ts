import { labelOf } from "./bucket.ts";
import { parseSubject } from "./subject.ts";
import { DAY, formatIso, parseIso } from "./units.ts";

/**
 * What the record and analytics pages are narrowed to, as it stands in the address. Both pages share
 * the filters, so that one leads to the other; every value is canonical and was checked when it was read.
 */
export const FILTER_NAMES = ["ticker", "tag", "label", "source", "model", "score", "arrival", "scoring", "hours", "from", "to"] as const;
export type FilterName = (typeof FILTER_NAMES)[number];
export type Filters = Readonly<Partial<Record<FilterName, string>>>;

export const NO_FILTERS: Filters = {};
/** How far back the read model is kept. */
export const MAX_HOURS = 168;

function subjectName(text: string, isTag: boolean): string | null {
  const subject = parseSubject(isTag && !/^(tag:|#)/i.test(text.trim()) ? `tag:${text.trim()}` : text);
  if (subject === null || subject.startsWith("tag:") !== isTag) return null;
  return isTag ? subject.slice(4) : subject;
}

function wholeNumber(text: string, least: number, most: number): string | null {
  const value = Number(text);
  return /^-?\d{1,9}$/.test(text) && value >= least && value <= most ? String(value) : null;
}

const delay = (text: string): string | null => (text === "longer" ? text : wholeNumber(text, 1, DAY));

function instant(text: string): string | null {
  const at = parseIso(text);
  return at === null ? null : formatIso(at);
}

const READERS: Record<FilterName, (text: string) => string | null> = {
  ticker: (text) => subjectName(text, false),
  tag: (text) => subjectName(text, true),
  label: labelOf,
  source: (text) => (/^[a-z0-9][a-z0-9_-]{0,39}$/.test(text) ? text : null),
  model: (text) => (text.trim() !== "" && text.length <= 200 ? text.trim() : null),
  score: (text) => wholeNumber(text, -10, 9),
  arrival: delay,
  scoring: delay,
  hours: (text) => wholeNumber(text, 1, MAX_HOURS),
  from: instant,
  to: instant,
};

/** The canonical value, or null for what this filter cannot be. */
export const readFilter = (name: FilterName, text: string): string | null => READERS[name](text);

export function parseFilters(query: ReadonlyMap<string, string>): Filters {
  const found: Partial<Record<FilterName, string>> = {};
  for (const name of FILTER_NAMES) {
    const value = query.get(name);
    const known = value === undefined ? null : readFilter(name, value);
    if (known !== null) found[name] = known;
  }
  return found;
}

/** `[name, value]` in a fixed order, for the address. */
export function listFilters(filters: Filters): [FilterName, string][] {
  return FILTER_NAMES.flatMap((name): [FilterName, string][] => (filters[name] === undefined ? [] : [[name, filters[name]]]));
}
