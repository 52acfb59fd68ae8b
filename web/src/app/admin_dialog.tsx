import "./styles/later.css";
import "./styles/dialog.css";
import "./styles/admin.css";
import { signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { ApiError } from "../store/api.ts";
import { useModal } from "./modal.ts";

/** The admin key lives here and nowhere else: not in storage, not in the address, gone with the page. */
const adminKey = signal<string | null>(null);

export interface Wish {
  readonly title: string;
  readonly button: string;
  /** What the reader should know before saying yes. */
  readonly children: ComponentChildren;
  /** Set where a reason is part of the wish; `required` when the server refuses without one. */
  readonly reason: "none" | "optional" | "required";
  run(key: string, reason: string): Promise<void>;
}

function KeyField() {
  if (adminKey.value !== null) {
    return (
      <p class="muted">
        The admin key is kept until this page is left.{" "}
        <button type="button" class="link-button" onClick={() => (adminKey.value = null)}>
          Forget it
        </button>
      </p>
    );
  }
  return (
    <label class="field">
      Admin key
      <input name="key" type="password" autocomplete="off" required maxLength={400} spellcheck={false} />
      <small class="muted">The secret CANDLEWICK_ADMIN_KEY of the server. It stays in this page's memory.</small>
    </label>
  );
}

/** Asks for the key, says what will happen, does it, and tells what the server said when it would not. */
export function AdminDialog({ wish, close }: { wish: Wish; close: () => void }) {
  const dialog = useModal();
  const busy = useSignal(false);
  const problem = useSignal<string | null>(null);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const key = adminKey.value ?? String(form.get("key") ?? "");
    busy.value = true;
    problem.value = null;
    try {
      await wish.run(key, String(form.get("reason") ?? "").trim());
      adminKey.value = key;
      close();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // A key that was refused is not asked for again by itself; one that was accepted is kept although the wish failed.
      adminKey.value = error.status === 401 || error.status === 403 ? null : key;
      problem.value = error.message;
    } finally {
      busy.value = false;
    }
  };
  // A browser lets nobody refuse Escape twice in a row.
  const ended = (): void => (busy.value ? dialog.current?.showModal() : close());
  return (
    <dialog ref={dialog} class="admin" aria-labelledby="admin-title" onClose={ended} onCancel={(event) => busy.value && event.preventDefault()}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="admin-title">{wish.title}</h2>
        {wish.children}
        {wish.reason !== "none" && (
          <label class="field">
            Reason{wish.reason === "optional" && <span class="muted"> (optional)</span>}
            <input name="reason" required={wish.reason === "required"} maxLength={500} />
            <small class="muted">Kept in the audit record.</small>
          </label>
        )}
        <KeyField />
        {problem.value !== null && (
          <p class="field-problem" role="alert">
            {problem.value}
          </p>
        )}
        <div class="dialog-buttons">
          <button type="button" class="button" disabled={busy.value} onClick={close}>
            Cancel
          </button>
          <button type="submit" class="button button-primary" disabled={busy.value}>
            {busy.value ? "Working" : wish.button}
          </button>
        </div>
      </form>
    </dialog>
  );
}
