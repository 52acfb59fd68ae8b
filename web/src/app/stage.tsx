import { isLowEvidence, type Bucket } from "../model/bucket.ts";
import { isRevised } from "../model/candle_text.ts";
import { articlesText, countdownText, countText, scoreText, windowText, zoneName } from "../model/format.ts";
import { bucketStarting } from "../model/series.ts";
import { shortName } from "../model/subject.ts";
import { ms } from "../model/units.ts";
import { toneOf } from "../view/painters.ts";
import { ChartHost, goLive } from "./chart_host.tsx";
import { ChartCover } from "./chart_cover.tsx";
import { ArrowIcon } from "./icons.tsx";
import { LabelMark } from "./label_mark.tsx";
import { go } from "./navigation.ts";
import { ResolutionBar } from "./resolution_bar.tsx";
import {
  flagsIn, focus, following, health, hovered, isLost, liveBucket, nameOf, newest, now, prefs, revisions, route, selected, selectedKey, selectedSeries, serverNow,
} from "./state.ts";


function Heading() {
  const subject = selected.value;
  const bucket = newest.value;
  if (subject === null) return <h1 class="subject-name">Candlewick</h1>;
  const tone = bucket === null ? "neutral" : toneOf(bucket);
  const name = nameOf(subject);
  return (
    <div class="heading">
      <h1 class="subject-name">
        {shortName(subject)}
        {name !== subject && <span class="subject-full">{name}</span>}
      </h1>
      <p class={`subject-score tone-${tone}`}>
        {bucket === null ? (
          <span class="muted">—</span>
        ) : (
          <>
            <LabelMark label={tone} />
            {scoreText(bucket.close)}
            <span class="subject-label">{tone}</span>
          </>
        )}
      </p>
    </div>
  );
}

function ScaleSwitch() {
  const fit = route.value.scale === "fit";
  return (
    <div class="segments" role="group" aria-label="Score axis">
      <button type="button" aria-pressed={!fit} title="The whole scale from −1 to +1" onClick={() => go({ scale: "full" }, "replace")}>
        ±1
      </button>
      <button type="button" aria-pressed={fit} title="Fit the axis to the candles in sight (key f)" onClick={() => go({ scale: "fit" }, "replace")}>
        Fit
      </button>
    </div>
  );
}

function Evidence({ bucket }: { bucket: Bucket }) {
  const known = revisions.value.find((row) => row.key === selectedKey.value && row.start === bucket.start);
  return (
    <>
      {isLowEvidence(bucket) && <span class="chip" title="Fewer than 3 articles: read with care">low evidence</span>}
      {isRevised(bucket) && (
        <span class="chip chip-accent" title="News arrived after this candle was final">
          ◆ rev {bucket.rev}
          {known !== undefined && known.added > 0 && `, +${articlesText(known.added)}`}
        </span>
      )}
    </>
  );
}

/** The numbers of the candle under the pointer, else of the selected one, else of the newest. */
function Legend() {
  const pointed = hovered.value === null ? null : bucketStarting(selectedSeries.value.buckets, hovered.value);
  const bucket = pointed ?? focus.value;
  if (bucket === null) return <div class="legend" aria-hidden="true">&nbsp;</div>;
  return (
    <div class="legend">
      <span class="legend-time">{windowText(bucket.start, bucket.end, prefs.value.zone)}</span>
      {(["open", "high", "low", "close"] as const).map((name) => (
        <span key={name} class="legend-value">
          <abbr title={name}>{name.charAt(0).toUpperCase()}</abbr> {scoreText(bucket[name])}
        </span>
      ))}
      <span class="legend-value">
        <abbr title="articles">n</abbr> {countText(bucket.count)}
      </span>
      {flagsIn(bucket) !== "" && <span class="chip chip-accent">┆ {flagsIn(bucket)}</span>}
      <Evidence bucket={bucket} />
    </div>
  );
}

function LiveProgress() {
  const bucket = liveBucket.value;
  // Without the stream, or an answer, nobody knows what has been published.
  const isKnown = newest.value !== null && !selectedSeries.value.stale && ["live", "polling"].includes(health.value.state);
  if (isLost.value || (bucket === null && !isKnown)) return <div class="progress-line" />;
  if (bucket === null) return <div class="progress-line"><span class="muted">No candle is open: nothing has been published in the present window.</span></div>;
  const share = (serverNow.value - bucket.start) / (bucket.end - bucket.start);
  return (
    <div class="progress-line">
      <span>
        Live candle closes in <strong>{countdownText(ms(bucket.end - serverNow.value))}</strong>
      </span>
      <progress max={1} value={share} aria-label="How much of the live window has passed" />
    </div>
  );
}

function Key() {
  return (
    <p class="key" aria-label="Key of the chart">
      <span class="tone-positive">▲ positive</span>
      <span class="tone-neutral">◆ neutral</span>
      <span class="tone-negative">▼ negative</span>
      <span class="muted">hollow: still open</span>
      <span class="muted">faded: fewer than 3 articles</span>
      <span class="muted zone-name">{zoneName(now.value, prefs.value.zone)}</span>
    </p>
  );
}

export function Stage() {
  return (
    <section class="stage panel" aria-label="Candles">
      <div class="stage-head">
        <Heading />
        <div class="stage-controls">
          <ResolutionBar />
          <ScaleSwitch />
        </div>
      </div>
      <Legend />
      <div class="chart-area">
        <ChartHost />
        <ChartCover />
        {!following.value && selectedSeries.value.buckets.length > 0 && (
          <button type="button" class="go-live" onClick={goLive}>
            Go to live <ArrowIcon />
          </button>
        )}
      </div>
      <LiveProgress />
      <Key />
    </section>
  );
}
