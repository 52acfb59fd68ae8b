import { useEffect, useRef } from "preact/hooks";

/** A native dialog that is open as long as its part is on the page. It keeps the focus inside and gives it back. */
export function useModal() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // One that is only taken off the page gives the focus back to nobody. It says a moment later that it was closed; by then
    // another may be open, which is not to hear of it.
    return () => {
      dialog?.addEventListener("close", (event) => event.stopImmediatePropagation(), true);
      dialog?.close();
    };
  }, []);
  return ref;
}
