import { effect } from "@preact/signals";
import { route } from "./state.ts";

const LOOK_EVERY_MS = 50;
/** A page that takes longer to come is begun where the reader is by then. */
const LOOKS = 100;

/** Gives the keyboard to the page once it is there, unless the reader has gone somewhere. */
function enter(isWanted: () => boolean, looks = LOOKS): void {
  setTimeout(() => {
    if (document.activeElement !== document.body || !isWanted()) return;
    const main = document.querySelector<HTMLElement>("#main:not([aria-busy])");
    if (main !== null) main.focus({ preventScroll: true });
    else if (looks > 0) enter(isWanted, looks - 1);
  }, LOOK_EVERY_MS);
}

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
    const arrived = place;
    enter(() => place === arrived);
  });
}
