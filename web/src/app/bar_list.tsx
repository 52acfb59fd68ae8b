import "./styles/later.css";
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Label } from "../model/bucket.ts";
import { articlesText, countText } from "../model/format.ts";
import { shareText } from "../model/share.ts";

export interface Bar {
  readonly name: string;
  readonly shown: ComponentChildren;
  readonly count: number;
  readonly tone?: Label;
}

interface Props {
  readonly label: string;
  readonly bars: readonly Bar[];
  readonly chosen: string | undefined;
  readonly onPick: (name: string) => void;
  readonly empty: string;
  readonly most?: number;
}

/** Names with their counts, each a button that narrows the page to it. */
export function BarList({ label, bars, chosen, onPick, empty, most = 8 }: Props) {
  const all = useSignal(false);
  const top = Math.max(1, ...bars.map(({ count }) => count));
  const sum = bars.reduce((total, { count }) => total + count, 0);
  const shown = all.value ? bars : bars.filter(({ name }, i) => i < most || name === chosen);
  if (bars.length === 0) return <p class="panel-note">{empty}</p>;
  return (
    <>
      <ul class={`bars${chosen === undefined ? "" : " has-choice"}`} aria-label={label}>
        {shown.map(({ name, shown: text, count, tone }) => (
          <li key={name}>
            <button type="button" class="bar" aria-pressed={chosen === name} title={`${articlesText(count)}, ${shareText(count / Math.max(1, sum))}`} onClick={() => onPick(name)}>
              <span class={`bar-name${tone === undefined ? "" : ` tone-${tone}`}`}>{text}</span>
              <span class="bar-count">{countText(count)}</span>
              <svg class="bar-line" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true" focusable="false">
                <rect class={`fill-${tone ?? "plain"}`} width={count === 0 ? 0 : Math.max(0.8, (100 * count) / top)} height="1" />
              </svg>
            </button>
          </li>
        ))}
      </ul>
      {shown.length < bars.length && (
        <button type="button" class="link-button" onClick={() => (all.value = true)}>
          All {countText(bars.length)}
        </button>
      )}
    </>
  );
}
