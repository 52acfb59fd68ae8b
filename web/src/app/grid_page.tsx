import "./styles/pages.css";
import { computed, effect, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { type Bucket, isLive } from "../model/bucket.ts";
import { candleSentence } from "../model/candle_sentence.ts";
import { countText, scoreText } from "../model/format.ts";
import { slotMsOf } from "../model/resolution.ts";
import { bucketStarting, newestBegun } from "../model/series.ts";
import { toSlots } from "../model/slots.ts";
import { seriesKey, shortName, type Subject } from "../model/subject.ts";
import { seriesOf } from "../model/sync.ts";
import type { Ms } from "../model/units.ts";
import { CandleChart } from "../view/chart.ts";
import { toneOf } from "../view/painters.ts";
import { keepShown } from "./chart_wiring.ts";
import { LabelMark } from "./label_mark.tsx";
import { go } from "./navigation.ts";
import { ResolutionBar } from "./resolution_bar.tsx";
import { useSentence } from "./spoken.tsx";
import { hovered, isLost, nameOf, prefs, problems, resolution, serverNow, sync, watched } from "./state.ts";
import { STEPS, stepTo } from "./stepping.ts";
import { lastSeen } from "./watch_list.tsx";

/** One small chart; the crosshair of whichever is pointed at shows in all of them. */
function mountSmall(host: HTMLElement, subject: Subject): () => void {
  const series = computed(() => seriesOf(sync.value, seriesKey(subject, resolution.value)));
  const places = computed(() => toSlots(series.value.buckets, slotMsOf(resolution.value)));
  const live = computed<Ms | null>(() => {
    const newest = newestBegun(series.value.buckets, serverNow.value);
    return newest !== undefined && isLive(newest, serverNow.value) ? newest.start : null;
  });
  const chart = new CandleChart(host, {
    hover: (start) => (hovered.value = start),
    select: (at) => go({ page: "live", subject, at }),
  });
  const stopShowing = keepShown(chart, () => ({
    name: seriesKey(subject, resolution.value), slots: places.value, selectedStart: null, liveStart: live.value,
  }));
  const stopPointing = effect(() => {
    // The chart under the pointer draws its own crosshair.
    if (!host.matches(":hover")) chart.point(hovered.value);
  });
  return () => {
    stopPointing();
    stopShowing();
  };
}

/** Moves the crosshair of all charts along the candles of one, Enter opens the candle on the Live page. */
function onCellKey(event: KeyboardEvent, subject: Subject, buckets: readonly Bucket[]): void {
  const step = STEPS[event.key];
  const here = hovered.value === null ? null : bucketStarting(buckets, hovered.value);
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "Enter" && here !== null) go({ page: "live", subject, at: here.start });
  else if (event.key === "Escape") hovered.value = null;
  else if (step === undefined) return;
  else hovered.value = stepTo(buckets, hovered.value, step)?.start ?? null;
  event.preventDefault();
  event.stopPropagation();
}

function Cell({ subject }: { subject: Subject }) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => (host.current === null ? undefined : mountSmall(host.current, subject)), [subject]);
  const focused = useSignal(false);
  const key = useMemo(() => computed(() => seriesKey(subject, resolution.value)), [subject]);
  const { buckets, stale, fromCache } = seriesOf(sync.value, key.value);
  const newest = newestBegun(buckets, serverNow.value);
  const pointed = hovered.value === null ? undefined : (bucketStarting(buckets, hovered.value) ?? undefined);
  const shown = hovered.value === null ? newest : pointed;
  const told = useSentence(key.value, focused.value ? (pointed ?? null) : null);
  const tone = shown === undefined ? "neutral" : toneOf(shown);
  return (
    <section class="cell panel" aria-label={nameOf(subject)}>
      <div class="cell-head">
        <h2>
          <button type="button" class="cell-name" onClick={() => go({ page: "live", subject, at: null })} title="Open on the Live page">
            {shortName(subject)}
          </button>
          <span class="muted">{nameOf(subject) === subject ? "" : nameOf(subject)}</span>
        </h2>
        <p class={`cell-score tone-${tone}`}>
          {shown === undefined ? (
            <span class="muted">{hovered.value === null ? "—" : "no news"}</span>
          ) : (
            <>
              <LabelMark label={tone} />
              {scoreText(shown.close)}
            </>
          )}
        </p>
      </div>
      <p class="cell-meta muted">
        {shown === undefined ? "\u00a0" : `n ${countText(shown.count)}`}
        {newest !== undefined && hovered.value === null && ` · ${lastSeen(subject, newest)}`}
      </p>
      <div
        class="cell-chart"
        tabIndex={0}
        role="group"
        aria-roledescription="candle chart"
        aria-label={`${nameOf(subject)}. ${newest === undefined ? "No candles." : `Newest candle: ${candleSentence(newest, prefs.value.zone, serverNow.peek())}`} Arrow keys step through the candles, Enter opens one.`}
        onKeyDown={(event) => onCellKey(event, subject, buckets)}
        onFocus={() => (focused.value = true)}
        onBlur={() => {
          focused.value = false;
          hovered.value = null;
        }}
      >
        <div class={`cell-canvas${isLost.value || problems.value[key.value] || (stale && fromCache) ? " stale" : ""}`} ref={host} />
        <p class="visually-hidden" role="status">{told}</p>
      </div>
      {buckets.length === 0 && <p class="cell-empty muted">{stale ? (problems.value[key.value] ?? "Loading") : "No candles at this resolution"}</p>}
    </section>
  );
}

export function GridPage() {
  return (
    <main class="page grid-page" id="main" tabIndex={-1}>
      <div class="page-head">
        <h1>Watched subjects</h1>
        <ResolutionBar />
      </div>
      <div class="cells">
        {watched.value.map((subject) => (
          <Cell key={subject} subject={subject} />
        ))}
      </div>
    </main>
  );
}
