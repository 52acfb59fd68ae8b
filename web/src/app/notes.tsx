import "./styles/notes.css";
import { missingParts } from "./code.ts";
import { subjects } from "./state.ts";

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

/** What is to be known on every page. */
export function Notes() {
  return (
    <>
      <MissingNote />
      <DemoNote />
    </>
  );
}
