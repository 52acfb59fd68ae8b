import { type Bucket, isLive, isLowEvidence, type Label } from "./bucket.ts";
import { articlesText, ageText, scoreText, windowText, type Zone } from "./format.ts";
import { type Ms, ms } from "./units.ts";

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

/** One sentence that says everything the candle shows, for screen readers and for the live region. */
export function candleSentence(bucket: Bucket, zone: Zone, serverNow: Ms): string {
  const parts = [
    windowText(bucket.start, bucket.end, zone),
    `open ${scoreText(bucket.open)}`,
    `high ${scoreText(bucket.high)}`,
    `low ${scoreText(bucket.low)}`,
    `close ${scoreText(bucket.close)}`,
    `${articlesText(bucket.count)}: ${bucket.positive} positive, ${bucket.neutral} neutral, ${bucket.negative} negative`,
  ];
  if (isLive(bucket, serverNow)) parts.push(`still open, closes in ${ageText(ms(bucket.end - serverNow))}`);
  if (isLowEvidence(bucket)) parts.push("low evidence");
  if (isRevised(bucket)) parts.push(`revised after it closed, revision ${bucket.rev}`);
  return `${parts.join(", ")}.`;
}
