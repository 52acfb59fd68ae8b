import type { ComponentType } from "preact";
import { retryNow } from "./controller.ts";
import { Lazy } from "./lazy.tsx";
import { failure, selectedKey, selectedSeries, subjects } from "./state.ts";

/** What lies over the chart when there is nothing to draw, or when what is drawn can not be confirmed. */

function NoSubjects() {
  return (
    <div class="cover">
      <h2>No scored news yet</h2>
      <p>The sources have been asked; the first article appears here by itself. You can also add a ticker or a tag on the left.</p>
    </div>
  );
}

const loadOffers = (): Promise<ComponentType> => import("./range_offers.tsx").then((module) => module.RangeOffers);

function Skeleton() {
  const heights = [38, 52, 44, 61, 70, 58, 49, 63, 55, 42, 36, 47, 59, 66, 53, 45, 57, 48, 62, 51];
  return (
    <div class="cover cover-skeleton" role="status" aria-label="Loading candles">
      <svg viewBox="0 0 400 100" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {heights.map((height, i) => (
          <rect key={i} x={6 + i * 20} y={80 - height} width="9" height={height / 2} rx="1.5" />
        ))}
      </svg>
    </div>
  );
}

export function ChartCover() {
  const series = selectedSeries.value;
  const problem = failure.value;
  if (series.buckets.length > 0) {
    if (problem === null) return null;
    return (
      <p class="notice" role="status">
        Showing the last known candles. {problem}{" "}
        <button type="button" class="link-button" onClick={retryNow}>
          Try again
        </button>
      </p>
    );
  }
  if (problem !== null) {
    return (
      <div class="cover" role="alert">
        <h2>The candles could not be loaded</h2>
        <p>{problem}</p>
        <button type="button" class="button button-primary" onClick={retryNow}>
          Try again
        </button>
      </div>
    );
  }
  if (selectedKey.value === null) return subjects.value === null ? <Skeleton /> : <NoSubjects />;
  if (series.stale) return <Skeleton />;
  return (
    <Lazy load={loadOffers}>
      <Skeleton />
    </Lazy>
  );
}
