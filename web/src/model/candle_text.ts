import type { Bucket, Label } from "./bucket.ts";
import { ms } from "./units.ts";

/** The shape that goes with a score wherever a colour does, so that the colour is never the only sign. Null: not scored. */
export function labelMark(label: Label | null): string {
  return label === null ? "○" : { positive: "▲", neutral: "◆", negative: "▼" }[label];
}

/** The server waits this long for stragglers before it calls a window final. */
const OUT_OF_ORDER = ms(120_000);

/** True for a window that changed after it was final: late news, worth a mark because it was read before. */
export function isRevised(bucket: Bucket): boolean {
  return bucket.rev > 1 && bucket.lastUpdated !== null && bucket.lastUpdated > bucket.end + OUT_OF_ORDER;
}
