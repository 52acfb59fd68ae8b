import type { ComponentType } from "preact";
import { Lazy } from "./lazy.tsx";
import { newest } from "./state.ts";

/** Fetched beforehand: it is needed when nothing can be fetched. */
const loadNotice = (): Promise<ComponentType> => import("./chart_notice.tsx").then((module) => module.ChartNotice);

export function Skeleton() {
  const candles = Array.from({ length: 20 }, (_, i) => {
    const height = 52 + 16 * Math.sin(i * 0.8);
    return `M${6 + i * 20} ${80 - height}h9v${height / 2}h-9`;
  });
  return (
    <div class="cover cover-skeleton" role="status" aria-label="Loading candles">
      <svg viewBox="0 0 400 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <path d={candles.join("")} />
      </svg>
    </div>
  );
}

/** What lies over the chart. */
export function ChartCover() {
  return <Lazy load={loadNotice}>{newest.value === null && <Skeleton />}</Lazy>;
}
