import "./styles/sparkline.css";
import type { Bucket } from "../model/bucket.ts";

const WIDTH = 72;
const HEIGHT = 24;
const MAX_POINTS = 48;

export interface SparklineProps {
  readonly buckets: readonly Bucket[];
  readonly tone: string;
}

/**
 * The closes of the newest candles against a fixed scale from minus one to one, so that two lines
 * next to each other can be compared. A gap in time is a gap in the line.
 */
export function Sparkline({ buckets, tone }: SparklineProps) {
  const shown = buckets.slice(-MAX_POINTS);
  const first = shown[0];
  const last = shown.at(-1);
  if (first === undefined || last === undefined) return <span class="spark skeleton" aria-hidden="true" />;
  const span = Math.max(1, last.start - first.start);
  const x = (bucket: Bucket): string => (2 + ((bucket.start - first.start) / span) * (WIDTH - 5)).toFixed(1);
  const y = (bucket: Bucket): string => (HEIGHT / 2 - (bucket.close / 10_000) * (HEIGHT / 2 - 2)).toFixed(1);
  const far = 8 * (first.end - first.start);
  let path = "";
  shown.forEach((bucket, i) => {
    const before = shown[i - 1];
    const jump = before === undefined || bucket.start - before.end > far;
    path += `${jump ? "M" : "L"}${x(bucket)} ${y(bucket)}`;
    if (jump) path += "h0"; // alone it is a dot
  });
  return (
    <svg class={`spark tone-${tone}`} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true" focusable="false">
      <path class="spark-zero" d={`M0 ${HEIGHT / 2}H${WIDTH}`} />
      <path class="spark-line" d={path} />
      <circle class="spark-dot" cx={shown.length === 1 ? WIDTH / 2 : x(last)} cy={y(last)} r="2" />
    </svg>
  );
}
