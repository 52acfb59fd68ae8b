import { effect } from "@preact/signals";
import { route } from "./state.ts";

/**
 * Another page begins at its top, for the eye and, where what was focused is gone, for the keyboard. On the way back and
 * forward the browser knows better where the reader was.
 */
export function followArrivals(): void {
  let place = "";
  let isReturn = false;
  const placeOf = (): string => `${route.value.page} ${route.value.id ?? ""}`;
  window.addEventListener(
    "popstate",
    () => {
      isReturn = true;
      setTimeout(() => (isReturn = false));
    },
    { capture: true },
  );
  effect(() => {
    const before = place;
    place = placeOf();
    if (before === "" || before === place || isReturn) return;
    window.scrollTo(0, 0);
    setTimeout(() => {
      if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true });
    });
  });
}
