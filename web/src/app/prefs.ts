import type { Zone } from "../model/format.ts";
import { parseWatched, type Subject } from "../model/subject.ts";
import { recall, remember } from "./storage.ts";

export type Theme = "auto" | "light" | "dark";

/** What the reader chose once and does not want to choose again; it stays in this browser. */
export interface Prefs {
  readonly theme: Theme;
  readonly zone: Zone;
  readonly watched: readonly Subject[] | null;
  /** Whether keys of one character do anything; who dictates presses them without meaning to. */
  readonly keys: boolean;
}

const KEY = "candlewick.prefs";
const NOTHING = "null";

function parse(text: string): Prefs {
  const data = JSON.parse(text) as Record<string, unknown> | null;
  const theme = data?.["theme"];
  return {
    theme: theme === "light" || theme === "dark" ? theme : "auto",
    zone: data?.["zone"] === "utc" ? "utc" : "local",
    watched: parseWatched(data?.["watched"]),
    keys: data?.["keys"] !== false,
  };
}

/** Where nothing is kept, or only what another version wrote, the defaults serve. */
export function loadPrefs(): Prefs {
  try {
    return parse(recall(KEY) ?? NOTHING);
  } catch (error) {
    if (error instanceof SyntaxError) return parse(NOTHING);
    throw error;
  }
}

export const savePrefs = (prefs: Prefs): void => remember(KEY, JSON.stringify(prefs));
