import "./styles/later.css";
import "./styles/notes.css";
import { computed } from "@preact/signals";
import { missingParts } from "./code.ts";
import { health, subjects } from "./state.ts";

/** Says that a part of the page does not come, and offers what helps when a newer version took its place. */
function MissingNote() {
  if (missingParts.value === 0) return null;
  return (
    <div class="page-note" role="alert">
      <strong>A part of this page could not be loaded.</strong> The server may be away, or a newer version may be
      there.{" "}
      <button type="button" class="link-button" onClick={() => location.reload()}>
        Reload
      </button>
    </div>
  );
}

function DemoNote() {
  const note = subjects.value?.demoNote ?? null;
  if (note === null) return null;
  return (
    <aside class="page-note demo-note" aria-label="About the news shown">
      <strong>Not live news.</strong> {note.replace(/\.$/, "")}.
    </aside>
  );
}

const connection = computed(() => `Connection: ${health.value.label}`);

/** What is to be known on every page, also by those who listen: the pill tells them only while it has the focus. */
export function Notes() {
  return (
    <>
      <p class="visually-hidden" role="status">{connection.value}</p>
      <MissingNote />
      <DemoNote />
    </>
  );
}
