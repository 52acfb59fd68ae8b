import type { ComponentType } from "preact";
import { Lazy } from "./lazy.tsx";
import { newest } from "./state.ts";

/** Fetched beforehand: it is needed when nothing can be fetched. */
const loadNotice = (): Promise<ComponentType> => import("./chart_notice.tsx").then((module) => module.ChartNotice);

export function Skeleton() {
  const heights = [38, 52, 44, 61, 70, 58, 49, 63, 55, 42, 36, 47, 59, 66, 53, 45, 57, 48, 62, 51];
  return (
    <div class="cover cover-skeleton" role="status" aria-label="Loading candles">
      <svg viewBox="0 0 400 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        <path d={heights.map((height, i) => `M${6 + i * 20} ${80 - height}h9v${height / 2}h-9`).join("")} />
      </svg>
    </div>
  );
}

/** What lies over the chart. */
export function ChartCover() {
  return <Lazy load={loadNotice}>{newest.value === null && <Skeleton />}</Lazy>;
}
