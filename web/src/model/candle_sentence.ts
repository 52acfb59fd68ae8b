import { type Bucket, isLive, isLowEvidence, LABELS } from "./bucket.ts";
import { isRevised } from "./candle_text.ts";
import { ageText, articlesText, countText, scoreText, windowText, type Zone } from "./format.ts";
import { type Ms, ms } from "./units.ts";

/** One sentence that says everything the candle shows, for screen readers and for the live region. */
export function candleSentence(bucket: Bucket, zone: Zone, serverNow: Ms): string {
  const parts = [
    windowText(bucket.start, bucket.end, zone),
    `open ${scoreText(bucket.open)}`,
    `high ${scoreText(bucket.high)}`,
    `low ${scoreText(bucket.low)}`,
    `close ${scoreText(bucket.close)}`,
    `${articlesText(bucket.count)}: ${LABELS.map((label) => `${countText(bucket[label])} ${label}`).join(", ")}`,
  ];
  if (isLive(bucket, serverNow)) parts.push(`still open, closes in ${ageText(ms(bucket.end - serverNow))}`);
  if (isLowEvidence(bucket)) parts.push("low evidence");
  if (isRevised(bucket)) parts.push(`revised after it closed, revision ${bucket.rev}`);
  return `${parts.join(", ")}.`;
}
