import type { Label } from "../model/bucket.ts";
import { scoreText } from "../model/format.ts";
import { shareText } from "../model/share.ts";
import type { E4 } from "../model/units.ts";
import { LabelMark } from "./label_mark.tsx";

interface Props {
  readonly label: Label | null;
  readonly polarity: E4 | null;
  readonly confidence: number | null;
}

/** What the model made of one article. One without a label is no neutral one: another model has scored it, or none yet. */
export function ArticleScore({ label, polarity, confidence }: Props) {
  if (label === null && polarity === null) {
    return (
      <span class="muted">
        <LabelMark label={label} />
        not scored
      </span>
    );
  }
  const said = label ?? "label not known";
  return (
    <span class={label === null ? "muted" : `tone-${label}`} title={confidence === null ? said : `${said}, confidence ${shareText(confidence)}`}>
      <LabelMark label={label} />
      {polarity === null ? "—" : scoreText(polarity)}
      <span class="visually-hidden"> {said}</span>
    </span>
  );
}
