import "./styles/later.css";
import type { ComponentType } from "preact";
import { Skeleton } from "./chart_cover.tsx";
import { retryNow } from "./controller.ts";
import { Lazy } from "./lazy.tsx";
import { failure, selectedKey, selectedSeries, subjects } from "./state.ts";

function NoSubjects() {
  return (
    <div class="cover">
      <h2>No scored news yet</h2>
      <p>The sources have been asked; the first article appears here by itself. You can also add a ticker or a tag on the left.</p>
    </div>
  );
}

const loadOffers = (): Promise<ComponentType> => import("./range_offers.tsx").then((module) => module.RangeOffers);

/** Says why there is nothing to draw, or that what is drawn can not be confirmed. */
export function ChartNotice() {
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
