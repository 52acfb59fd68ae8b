import type { Label } from "../model/bucket.ts";
import { labelMark } from "../model/candle_text.ts";

/** The shape beside a score; the words around it say the same to who cannot see it. */
export function LabelMark({ label }: { label: Label | null }) {
  return (
    <span class="mark" aria-hidden="true">
      {labelMark(label)}
    </span>
  );
}
