import "./styles/add_subject.css";
import { useSignal } from "@preact/signals";
import type { SubjectRow } from "../model/api_types.ts";
import { articlesText } from "../model/format.ts";
import { MAX_WATCHED, parseSubject, shortName } from "../model/subject.ts";
import { PlusIcon } from "./icons.tsx";
import { watch } from "./watch_edits.ts";
import { subjects, watched } from "./state.ts";
import { unsought } from "./watch_lists.ts";

function suggestions(): readonly SubjectRow[] {
  return (subjects.value?.subjects ?? []).filter((row) => !watched.value.includes(row.subject));
}

/** What sources and the classifier do not look for, because the server has refused to keep it. */
function Unsought() {
  if (unsought.value === null) return null;
  const { subjects: list, why } = unsought.value;
  return (
    <p class="field-problem" role="status">
      Not on the server's watch list, so not yet looked for: {list.map(shortName).join(", ")}. {why}
    </p>
  );
}

/** The field under the watch list; it suggests what there is news about. */
export function AddSubject() {
  const text = useSignal("");
  const problem = useSignal<string | null>(null);
  const full = watched.value.length >= MAX_WATCHED;
  const submit = (event: Event): void => {
    event.preventDefault();
    if (full) return;
    const subject = parseSubject(text.value);
    if (subject === null) {
      problem.value = "A ticker such as AAPL, or a tag such as tag:ai-regulation.";
      return;
    }
    text.value = "";
    watch(subject);
    problem.value = watched.value.includes(subject) ? null : "The list is full: another page has filled it.";
  };
  return (
    <form class="add-subject" onSubmit={submit}>
      <label class="visually-hidden" for="add-subject">
        Watch another subject
      </label>
      <input
        id="add-subject"
        list="known-subjects"
        placeholder={full ? `${MAX_WATCHED} of ${MAX_WATCHED} watched` : "Add ticker or tag"}
        // One that is disabled would lose the focus with the subject that fills the list.
        readOnly={full}
        aria-disabled={full}
        value={text.value}
        autocomplete="off"
        spellcheck={false}
        maxLength={60}
        aria-describedby={problem.value === null ? undefined : "add-problem"}
        aria-invalid={problem.value !== null}
        onInput={(event) => (text.value = event.currentTarget.value)}
      />
      <button type="submit" class="icon-button" disabled={full} aria-label="Add to the watched subjects">
        <PlusIcon />
      </button>
      <datalist id="known-subjects">
        {suggestions().map((row) => (
          <option key={row.subject} value={row.subject} label={`${row.name}, ${articlesText(row.count24h)} in 24 h`} />
        ))}
      </datalist>
      {problem.value !== null && (
        <p id="add-problem" class="field-problem" role="alert">
          {problem.value}
        </p>
      )}
      <Unsought />
    </form>
  );
}
