import "./styles/later.css";
import "./styles/dialog.css";
import "./styles/help.css";
import { useModal } from "./modal.ts";
import { setPrefs } from "./navigation.ts";
import { PAGE_NAMES } from "./page_names.ts";
import { helpOpen, prefs } from "./state.ts";

const KEYS: readonly (readonly [string, string])[] = [
  ["Ctrl K  ⌘ K", "Everything by name: pages, subjects, resolutions, actions"],
  ["1 – 8", "Resolution, from 1 minute to 24 hours"],
  ["j  k", "Next and previous watched subject; on Records, next and previous record"],
  ["← →", "Earlier and later candle"],
  ["Home End", "First and last candle (chart focused)"],
  ["l", "Go to live"],
  ["f", "Score axis: −1 to +1, or fitted"],
  ["u", "Local time or UTC"],
  ["t", "Light, dark or as the system says"],
  ["/", "Add a ticker or a tag; on Records, the filters"],
  [`g then ${PAGE_NAMES.map((row) => row.key).join(", ")}`, PAGE_NAMES.map((row) => row.label).join(", ")],
  ["?", "This help"],
];

export function HelpDialog() {
  const dialog = useModal();
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={() => (helpOpen.value = false)}>
      <div class="help-head">
        <h2 id="help-title">Keys</h2>
        <button type="button" class="link-button" onClick={() => (helpOpen.value = false)}>
          Close
        </button>
      </div>
      <dl class="help-keys">
        {KEYS.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
      <label class="help-switch">
        <input type="checkbox" checked={prefs.value.keys} onChange={(event) => setPrefs({ keys: event.currentTarget.checked })} />
        Keys of one character. Switch them off where you dictate.
      </label>
      <h2>How to read a candle</h2>
      <p>
        Each candle sums up the news about one subject in one window of time. Its position says what the news says: above the
        zero line positive, below it negative, from −1 to +1. The tick on the left is the first article’s score, the tick on the
        right the last one’s; the line reaches to the highest and the lowest. A ◆ above a candle means that late news changed it
        after it was final.
      </p>
    </dialog>
  );
}
