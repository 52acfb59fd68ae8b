import { computed, effect, signal } from "@preact/signals";
import { parseWatched, type Subject } from "../model/subject.ts";
import { ApiError } from "../store/api.ts";
import { changeList, deleteList, fetchLists, fetchToken, makeList, MAX_SUBJECTS, type ServerList } from "../store/watch_lists_api.ts";
import { loadPrefs } from "./prefs.ts";
import { prefs, route, watched } from "./state.ts";
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
/** Lists of addresses are kept as long as a token lives after they were last open, and only the newest. */
const LINKED_FOR_MS = 30 * 86_400_000;
const MAX_LINKED = 3;

interface Linked {
  readonly subjects: readonly Subject[];
  readonly openedAt: number;
}

interface Known {
  /** The browser was given a token, as a cookie. */
  readonly hasToken: boolean;
  /** What is on the server's lists. */
  readonly there: readonly string[];
  /** Lists that came with an address, as the reader has changed them; the one opened last stands last. */
  readonly linked: readonly Linked[];
}

/** What the reader watches on this page and is not looked for, and why; null while the server's lists have all of it. */
export const unsought = signal<{ readonly subjects: readonly Subject[]; readonly why: string } | null>(null);

let timer = 0;
let busy = false;
let failures = 0;

const NOTHING: Known = { hasToken: false, there: [], linked: [] };

function parseLinked(found: unknown): Linked[] {
  const { subjects, openedAt } = (found ?? {}) as Record<string, unknown>;
  const list = parseWatched(subjects);
  return list === null || typeof openedAt !== "number" ? [] : [{ subjects: list, openedAt }];
}

function parse(text: string): Known {
  const data = JSON.parse(text) as Record<string, unknown> | null;
  const listOf = (name: string): unknown[] => (Array.isArray(data?.[name]) ? data[name] : []);
  return { hasToken: data?.["hasToken"] === true, there: listOf("there").map(String), linked: listOf("linked").flatMap(parseLinked) };
}

/** Another tab may have written it since. */
function known(): Known {
  try {
    return parse(recall(KEY) ?? "null");
  } catch (error) {
    if (error instanceof SyntaxError) return NOTHING;
    throw error;
  }
}

const note = (change: Partial<Known>): void => remember(KEY, JSON.stringify({ ...known(), ...change }));

const linkedNow = (): Linked[] => known().linked.filter(({ openedAt }) => openedAt > Date.now() - LINKED_FOR_MS);

/** Keeps the list of an address, in place of what it was before. */
function noteLinked(subjects: readonly Subject[], before: readonly Subject[]): void {
  const others = linkedNow().filter((list) => ![subjects.join(), before.join()].includes(list.subjects.join()));
  note({ linked: [...others, { subjects, openedAt: Date.now() }].slice(-MAX_LINKED) });
}

/** A list that is open is not forgotten. */
function renewLinked(): void {
  const open = route.peek().watched;
  if (open !== null && linkedNow().some(({ subjects }) => subjects.join() === open.join())) noteLinked(open, open);
}

const wanted = (): Subject[] => [
  ...new Set([...(loadPrefs().watched ?? prefs.peek().watched ?? []), ...linkedNow().flatMap(({ subjects }) => subjects)]),
];

const isSame = (one: readonly string[], other: readonly string[]): boolean => [...one].sort().join() === [...other].sort().join();

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

/** Makes the server's lists those that are wanted, as far as it takes them. Throws the first `ApiError` at the end. */
async function keep(): Promise<void> {
  const lists = split(wanted());
  if (lists.length === 0) return;
  const own = await fetchOwn();
  const there = new Map(own.map(({ id, subjects }) => [id, subjects]));
  const refusals: ApiError[] = [];
  const attempt = (call: Promise<unknown>): Promise<unknown> =>
    call.catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      refusals.push(error);
    });
  const take = ({ id, subjects }: ServerList): unknown => there.set(id, subjects);
  if (!isSame(own.flatMap(({ subjects }) => subjects), lists.flat())) {
    const spare = own.filter((list) => !lists.some((subjects) => isSame(list.subjects, subjects)));
    for (const subjects of lists.filter((list) => !own.some((found) => isSame(found.subjects, list)))) {
      const list = spare.shift();
      await attempt((list === undefined ? makeList(NAME, subjects) : changeList(list.id, subjects)).then(take));
    }
    for (const { id } of spare) await attempt(deleteList(id).then(() => there.delete(id)));
  }
  note({ there: [...there.values()].flat() });
  if (refusals[0] !== undefined) throw refusals[0];
}

/** A browser that keeps nothing of this site refuses the lock too. */
function withoutLock(error: unknown): Promise<void> {
  if (error instanceof DOMException) return keep();
  throw error;
}

/** One tab at a time, where the browser can tell them apart: two would make everything twice. */
const keepAlone = (): Promise<void> => navigator.locks?.request(KEY, keep).catch(withoutLock) ?? keep();

function plan(wait: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void run(), wait);
}

async function run(): Promise<void> {
  timer = 0;
  if (busy) return plan(DELAY_MS);
  busy = true;
  let wait = LOOK_EVERY_MS;
  renewLinked();
  try {
    await keepAlone();
    failures = 0;
    unsought.value = null;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { there } = known();
    const subjects = wanted().filter((subject) => watched.peek().includes(subject) && !there.includes(subject));
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
    const was = before;
    before = watched;
    if (watched === null || was === null || watched.join() === was.join()) return;
    noteLinked(watched, was);
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
  addEventListener("online", () => {
    if (failures > 0) plan(DELAY_MS);
  });
}
