import { useEffect, useRef } from "preact/hooks";

/** A native dialog that is open as long as its part is on the page. It keeps the focus inside and gives it back. */
export function useModal() {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    // One that is only taken off the page gives nothing back.
    return () => dialog?.close();
  }, []);
  return ref;
}
