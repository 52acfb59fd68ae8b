import type { ResolutionId } from "./resolution.ts";

/** A ticker (`AAPL`) or a tag (`tag:ai-regulation`), already validated. */
export type Subject = string & { readonly __subject: true };
/** `AAPL@1m`: identifies one series everywhere in the page. */
export type SeriesKey = string & { readonly __series: true };

const TICKER = /^[A-Z][A-Z0-9.-]{0,9}$/;
const TAG = /^[a-z0-9][a-z0-9-]{0,49}$/;

export const MAX_WATCHED = 5;

/** Accepts what a person types: `aapl`, `tag:AI-Regulation`, `#ai-regulation`. Null when it cannot be a subject. */
export function parseSubject(text: string): Subject | null {
  const trimmed = text.trim();
  const tag = /^(?:tag:|#)(.+)$/i.exec(trimmed)?.[1];
  if (tag !== undefined) {
    const name = tag.toLowerCase();
    return TAG.test(name) ? (`tag:${name}` as Subject) : null;
  }
  const ticker = trimmed.toUpperCase().replace(/^([A-Z][A-Z0-9]*)-(P?[A-Z])$/, "$1.$2"); // as the server names it
  return TICKER.test(ticker) ? (ticker as Subject) : null;
}

/** A list of subjects that was kept or sent: each once, no more than may be watched; null when there is none. */
export function parseWatched(list: unknown): readonly Subject[] | null {
  if (!Array.isArray(list)) return null;
  const found = new Set(list.map((item) => parseSubject(String(item))).filter((subject) => subject !== null));
  return found.size > 0 ? [...found].slice(0, MAX_WATCHED) : null;
}

/** What the page shows as the short name: the tag's prefix is shown as a hash sign. */
export function shortName(subject: Subject): string {
  return subject.startsWith("tag:") ? `#${subject.slice(4)}` : subject;
}

export function seriesKey(subject: Subject, resolution: ResolutionId): SeriesKey {
  return `${subject}@${resolution}` as SeriesKey;
}

export function splitKey(key: SeriesKey): { subject: Subject; resolution: ResolutionId } {
  const at = key.lastIndexOf("@");
  return { subject: key.slice(0, at) as Subject, resolution: key.slice(at + 1) as ResolutionId };
}
