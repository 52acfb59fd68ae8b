import { MAX_WATCHED, type Subject } from "../model/subject.ts";
import { go, selectSubject, setPrefs } from "./navigation.ts";
import { loadPrefs } from "./prefs.ts";
import { route, selected, watched } from "./state.ts";

/** What a reader changes of the list: not needed for the first candles, so it comes with the field to add a subject. */
function changeWatched(change: (list: readonly Subject[]) => readonly Subject[]): void {
  // A list that came with the address is not the reader's own, which stays as it is.
  if (route.value.watched !== null) return go({ watched: change(route.value.watched) }, "replace");
  // Another tab may have saved since this one was opened, so the change is made to what is kept, unless that empties it.
  const changed = change(loadPrefs().watched ?? watched.value);
  setPrefs({ watched: changed.length > 0 ? changed : change(watched.value) });
}

export function watch(subject: Subject): void {
  changeWatched((list) => (list.includes(subject) || list.length >= MAX_WATCHED ? list : [...list, subject]));
  selectSubject(subject);
}

export function unwatch(subject: Subject): void {
  const without = (list: readonly Subject[]): readonly Subject[] => list.filter((item) => item !== subject);
  const [next] = without(watched.value);
  if (next === undefined) return;
  changeWatched(without);
  if (selected.value === subject || route.value.subject === subject) go({ subject: next, at: null });
}

export function moveWatched(subject: Subject, to: number): void {
  const moved = (list: readonly Subject[]): readonly Subject[] => {
    const others = list.filter((item) => item !== subject);
    if (others.length < list.length) others.splice(to, 0, subject);
    return others;
  };
  // With no subject in the address the first row is shown; another first row is no other choice.
  if (moved(watched.value)[0] !== watched.value[0]) go({ subject: selected.value }, "replace");
  changeWatched(moved);
}
