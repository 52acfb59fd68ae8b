import { ageText } from "../model/format.ts";
import { retryNow } from "./controller.ts";
import { health } from "./state.ts";

/** Says how the page is connected; a click tries again at once. Never a false "Live". */
export function ConnectionPill() {
  const { state, label, explanation, newestAge } = health.value;
  const age = newestAge === null ? null : `newest ${ageText(newestAge)} ago`;
  return (
    <button type="button" class={`pill pill-${state}`} title={explanation} onClick={retryNow} data-state={state}>
      <span class="pill-dot" aria-hidden="true" />
      <span class="pill-label">{label}</span>
      {age !== null && <span class="pill-age">{age}</span>}
      <span class="visually-hidden">. {explanation} Press to try again now.</span>
    </button>
  );
}
