import "./styles/later.css";
import type { Signal } from "@preact/signals";
import { copy } from "./files.ts";

interface Props {
  /** The command that answers with what the page shows. */
  readonly curl: () => string;
  /** What became of it is written here. */
  readonly said: Signal<string>;
}

/** What is shown, as a command for a shell and as a link. */
export function CopyButtons({ curl, said }: Props) {
  const say = (text: string): void => void copy(text).then((result) => (said.value = result));
  return (
    <>
      <button type="button" class="link-button" onClick={() => say(curl())}>
        Copy as curl
      </button>
      <button type="button" class="link-button" onClick={() => say(location.href)}>
        Copy link
      </button>
    </>
  );
}
