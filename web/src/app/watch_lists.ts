import { computed, effect, signal } from "@preact/signals";
import { parseWatched, type Subject } from "../model/subject.ts";
import { ApiError } from "../store/api.ts";
import { changeList, deleteList, fetchLists, fetchToken, makeList, MAX_SUBJECTS, type ServerList } from "../store/watch_lists_api.ts";
import { loadPrefs } from "./prefs.ts";
import { prefs, route } from "./state.ts";
import { recall, remember } from "./storage.ts";

/**
 * What the reader watches is kept as lists of the server's too, so that sources and the classifier look for it. The page
 * shows this browser's own list and works without the server's: when they are refused it says so and asks again later.
 * Who has changed nothing watches what the server proposes, and has no list there.
 */
const NAME = "Dashboard";
const KEY = "candlewick.lists";
/** The first look waits until the candles and what follows them have come. */
const SETTLED_MS = 5_000;
/** Several changes in a row are sent together. */
const DELAY_MS = 1_500;
const RETRY_MS = 60_000;
const MAX_RETRY_MS = 600_000;
/** A page that stays open looks after its lists so often: the server forgets those that nobody uses. */
const LOOK_EVERY_MS = 12 * 3_600_000;

interface Known {
  /** The browser was given a token, as a cookie. */
  readonly hasToken: boolean;
  /** What is on the server's lists. */
  readonly there: readonly string[];
  /** A list that came with an address, as the reader has changed it. */
  readonly linked: readonly Subject[];
}

/** What the reader watches and is not looked for, and why; null while the server's lists have everything. */
export const unsought = signal<{ readonly subjects: readonly Subject[]; readonly why: string } | null>(null);

/** Serves where the browser keeps nothing. */
let memory: Known = { hasToken: false, there: [], linked: [] };
let timer = 0;
let busy = false;
let failures = 0;

function parse(text: string): Known {
  const data = JSON.parse(text) as Record<string, unknown> | null;
  const there: unknown[] = Array.isArray(data?.["there"]) ? data["there"] : [];
  return { hasToken: data?.["hasToken"] === true, there: there.map(String), linked: parseWatched(data?.["linked"]) ?? [] };
}

/** Another tab may have written it since. */
function known(): Known {
  try {
    return parse(recall(KEY) ?? JSON.stringify(memory));
  } catch (error) {
    if (error instanceof SyntaxError) return memory;
    throw error;
  }
}

function note(change: Partial<Known>): void {
  memory = { ...known(), ...change };
  remember(KEY, JSON.stringify(memory));
}

const wanted = (): Subject[] => [
  ...new Set([...(loadPrefs().watched ?? prefs.peek().watched ?? []), ...known().linked]),
];

function split(subjects: readonly Subject[]): (readonly Subject[])[] {
  const count = Math.ceil(subjects.length / MAX_SUBJECTS);
  return Array.from({ length: count }, (_, i) => subjects.slice(i * MAX_SUBJECTS, (i + 1) * MAX_SUBJECTS));
}

/** A new token has no lists, and those of the old one are out of reach. */
async function renew(): Promise<void> {
  await fetchToken();
  note({ hasToken: true, there: [] });
}

/** The page's lists; a token that has ended, or that the server no longer knows, is renewed once. */
async function fetchOwn(): Promise<ServerList[]> {
  if (!known().hasToken) await renew();
  const lists = await fetchLists().catch(async (error: unknown) => {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    await renew();
    return fetchLists();
  });
  return lists.filter((list) => list.name === NAME);
}

/** Makes the server's lists those that are wanted. Throws `ApiError` at the first thing that is refused. */
async function keep(): Promise<void> {
  const lists = split(wanted());
  if (lists.length === 0) return;
  const own = await fetchOwn();
  try {
    for (const [i, subjects] of lists.entries()) {
      const list = own[i];
      if (list === undefined) own.push(await makeList(NAME, subjects));
      else if (list.subjects.join() !== subjects.join()) own[i] = await changeList(list.id, subjects);
    }
    for (const list of own.splice(lists.length)) await deleteList(list.id);
  } finally {
    note({ there: own.flatMap((list) => list.subjects) });
  }
}

/** One tab at a time, where the browser can tell them apart: two would make everything twice. */
const keepAlone = (): Promise<void> => navigator.locks?.request(KEY, keep) ?? keep();

function plan(wait: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void run(), wait);
}

async function run(): Promise<void> {
  timer = 0;
  if (busy) return plan(DELAY_MS);
  busy = true;
  let wait = LOOK_EVERY_MS;
  try {
    await keepAlone();
    failures = 0;
    unsought.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { there } = known();
    const subjects = wanted().filter((subject) => !there.includes(subject));
    unsought.value = subjects.length > 0 ? { subjects, why: error.message } : null;
    wait = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** failures++);
  } finally {
    busy = false;
  }
  // What has changed meanwhile is planned already.
  if (timer === 0) plan(wait);
}

/** A list of an address becomes the reader's when they change it; another one that is opened is not. */
function followLinked(): void {
  let before = route.peek().watched;
  effect(() => {
    const { watched } = route.value;
    const changed = watched !== null && before !== null && watched.join() !== before.join();
    before = watched;
    if (!changed) return;
    note({ linked: watched });
    plan(DELAY_MS);
  });
}

export function followWatched(): void {
  let wait = SETTLED_MS;
  computed(() => prefs.value.watched).subscribe(() => {
    plan(wait);
    wait = DELAY_MS;
  });
  followLinked();
}
