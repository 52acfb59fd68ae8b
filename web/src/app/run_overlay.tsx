import { type ReadonlySignal, signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import { articlesText, countText, scoreText, windowText } from "../model/format.ts";
import { closeMove, countVerdicts, type Pair, toPairs, verdictOf } from "../model/overlay.ts";
import { slotMsOf } from "../model/resolution.ts";
import type { Slot } from "../model/slots.ts";
import { shortName, type Subject } from "../model/subject.ts";
import { e4, type Ms } from "../model/units.ts";
import type { Bucket } from "../model/bucket.ts";
import { ApiError } from "../store/api.ts";
import { fetchGeneration } from "../store/runs_api.ts";
import { CandleChart } from "../view/chart.ts";
import { OVERLAY } from "../view/overlay_look.ts";
import { keepShown } from "./chart_wiring.ts";
import { go, selectCandle } from "./navigation.ts";
import { type Missing, MissingNote, useOlder, useOlderSelected } from "./older_candles.tsx";
import { ResolutionBar } from "./resolution_bar.tsx";
import { hovered, nameOf, prefs, resolution, route, selected, selectedKey, selectedSeries, subjects, watched } from "./state.ts";
import { STEPS, stepTo } from "./stepping.ts";

interface Names {
  readonly before: string;
  readonly after: string;
  readonly live: string;
}

interface Other {
  readonly buckets: readonly Bucket[];
  readonly problem: string | null;
  readonly loading: boolean;
}

/** The generation that is not live is fetched once per series; the live one is what the page follows anyway. */
function useOther(generation: string): Other & { readonly missing: Missing } {
  const found = useSignal<Other>({ buckets: [], problem: null, loading: true });
  const key = selectedKey.value;
  useEffect(() => {
    if (key === null) return undefined;
    const abort = new AbortController();
    found.value = { buckets: [], problem: null, loading: true };
    fetchGeneration(key, generation, abort.signal).then(
      ({ buckets }) => (found.value = { buckets, problem: null, loading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        found.value = { buckets: [], problem: error.message, loading: false };
      },
    );
    return () => abort.abort();
  }, [key, generation]);
  const { buckets, loading } = found.value;
  const take = (older: SeriesAnswer): boolean => {
    found.value = { ...found.value, buckets: [...older.buckets, ...found.value.buckets] };
    return true;
  };
  const missing = useOlder({ key, buckets, ready: !loading, generation, take });
  return { ...found.value, missing };
}

function pairSentence(pair: Pair, names: Names): string {
  const { before, after } = pair;
  const one = after ?? before;
  if (one === null) return "";
  const side = (name: string, bucket: Bucket | null): string =>
    bucket === null ? `${name} has no candle` : `${name} close ${scoreText(bucket.close)}, ${articlesText(bucket.count)}`;
  const move = closeMove(pair);
  const moved = move === null ? "" : move === 0 ? ", close unchanged" : `, close moved by ${scoreText(e4(move))}`;
  return `${windowText(one.start, one.end, prefs.value.zone)}: ${side(names.before, before)}; ${side(names.after, after)}${moved}.`;
}

function mount(host: HTMLElement, slots: ReadonlySignal<readonly Slot[]>, names: Names): () => void {
  const chart = new CandleChart(host, { hover: (start) => (hovered.value = start), select: selectCandle }, OVERLAY);
  return keepShown(chart, () => ({
    name: `${selectedKey.value} ${names.before} ${names.after}`, slots: slots.value, selectedStart: route.value.at, liveStart: null,
  }));
}

/** The pair under the pointer, else the selected one; where none is selected the newest that differs. */
function shownPair(slots: readonly Slot[]): Pair | null {
  const at = (start: Ms | null): Pair | null => (start === null ? null : (slots.find((slot) => slot.start === start)?.pair ?? null));
  const differs = (slot: Slot): boolean => slot.pair !== undefined && verdictOf(slot.pair) !== "equal";
  const pointed = at(hovered.value);
  if (pointed !== null || route.value.at !== null) return pointed ?? at(route.value.at);
  return slots.findLast(differs)?.pair ?? slots.at(-1)?.pair ?? null;
}

function Legend({ pair, missing, names }: { pair: Pair | null; missing: Missing; names: Names }) {
  const one = pair?.after ?? pair?.before ?? null;
  if (pair === null || one === null) return <div class="legend">{route.value.at === null ? "\u00a0" : <MissingNote missing={missing} />}</div>;
  const move = closeMove(pair);
  return (
    <div class="legend">
      <span class="legend-time">{windowText(one.start, one.end, prefs.value.zone)}</span>
      {([["before", pair.before], ["after", pair.after]] as const).map(([side, bucket]) => (
        <span key={side} class="legend-value">
          <span class={`overlay-swatch swatch-${side}`} aria-hidden="true" />
          <abbr title={side === "before" ? "shown as an outline" : "shown filled"}>{names[side]}</abbr>{" "}
          {bucket === null ? "no candle" : `${scoreText(bucket.close)}, n ${countText(bucket.count)}`}
        </span>
      ))}
      <span class="legend-value">
        <abbr title="how far the close moved">Δ</abbr> {move === null ? "—" : scoreText(e4(move))}
      </span>
      <span class="chip">{verdictOf(pair)}</span>
    </div>
  );
}

function SubjectChoice() {
  const listed = [...new Set([selected.value, ...watched.value, ...(subjects.value?.subjects ?? []).map((row) => row.subject)])];
  return (
    <label class="overlay-subject">
      <span class="visually-hidden">Subject</span>
      <select value={selected.value ?? ""} onChange={(event) => go({ subject: event.currentTarget.value as Subject, at: null })}>
        {listed.filter((subject) => subject !== null).map((subject) => (
          <option key={subject} value={subject}>
            {shortName(subject)}
            {nameOf(subject) === subject ? "" : ` · ${nameOf(subject)}`}
          </option>
        ))}
      </select>
    </label>
  );
}

function Verdicts({ slots, names }: { slots: readonly Slot[]; names: Names }) {
  const counts = countVerdicts(slots);
  const total = counts.equal + counts.changed + counts["only before"] + counts["only after"];
  const parts = [
    `${countText(counts.changed)} changed`, `${countText(counts.equal)} equal`,
    ...(counts["only before"] > 0 ? [`${countText(counts["only before"])} only in ${names.before}`] : []),
    ...(counts["only after"] > 0 ? [`${countText(counts["only after"])} only in ${names.after}`] : []),
  ];
  return <p class="overlay-verdicts muted">{`Of ${countText(total)} candles loaded: ${parts.join(", ")}.`}</p>;
}

/** Two generations of one series on one chart, with a keyboard path and a sentence for each place. */
export function RunOverlay({ names }: { names: Names }) {
  const host = useRef<HTMLDivElement>(null);
  const liveIsAfter = names.after === names.live;
  const other = useOther(liveIsAfter ? names.before : names.after);
  const slots = useMemo(() => signal<readonly Slot[]>([]), []);
  const mine = selectedSeries.value.buckets;
  const mineMissing = useOlderSelected();
  const missing = mineMissing.certain ? other.missing : mineMissing;
  const reach = mineMissing.reaches && other.missing.reaches;
  useEffect(() => {
    // Where one is still to be fetched, what the other has there would pass for its own alone.
    const since = reach ? 0 : Math.max(mine[0]?.start ?? 0, other.buckets[0]?.start ?? 0);
    const [before, after] = liveIsAfter ? [other.buckets, mine] : [mine, other.buckets];
    const known = (buckets: readonly Bucket[]): readonly Bucket[] => buckets.filter(({ start }) => start >= since);
    slots.value = toPairs(known(before), known(after), slotMsOf(resolution.value));
  }, [mine, other.buckets, liveIsAfter, reach]);
  useEffect(() => (host.current === null ? undefined : mount(host.current, slots, names)), [names.before, names.after]);
  const step = (event: KeyboardEvent): void => {
    const by = STEPS[event.key];
    const places = slots.value.flatMap(({ bucket }) => bucket ?? []);
    if (by === undefined || places.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const landed = stepTo(places, route.value.at, by);
    if (landed !== undefined) go({ at: landed.start }, "replace");
  };
  const pair = shownPair(slots.value);
  const chosen = route.value.at === null ? undefined : slots.value.find((slot) => slot.start === route.value.at)?.pair;
  const nothing = slots.value.length === 0;
  return (
    <section class="panel overlay" aria-label="The two generations">
      <div class="overlay-head">
        <h2>
          {names.before} <span class="muted">and</span> {names.after}
        </h2>
        <SubjectChoice />
        <ResolutionBar />
      </div>
      <Legend pair={pair} missing={missing} names={names} />
      <div class="overlay-area">
        <div class="chart-frame" tabIndex={0} role="group" aria-roledescription="chart of two generations" aria-label={`${names.before} and ${names.after} of ${selected.value ?? "no subject"}. Arrow keys step through the candles.`} onKeyDown={step}>
          <div class="chart-host" ref={host} />
          <p class="visually-hidden" role="status" data-testid="spoken">
            {chosen === undefined ? "" : pairSentence(chosen, names)}
          </p>
        </div>
        {nothing && (
          <p class="cover muted" role="status">
            {other.problem ?? (other.loading ? "Loading" : "Neither generation has a candle of this subject at this resolution.")}
          </p>
        )}
      </div>
      <p class="key" aria-label="Key of the chart">
        <span><span class="overlay-swatch swatch-before" aria-hidden="true" /> {names.before}, outlined, left</span>
        <span><span class="overlay-swatch swatch-after" aria-hidden="true" /> {names.after}, filled, right</span>
        <span class="muted">grey: both the same</span>
        <span class="muted">below: how far the close moved</span>
      </p>
      {!nothing && <Verdicts slots={slots.value} names={names} />}
      {!nothing && other.problem !== null && <p class="tone-warn overlay-verdicts" role="status">◆ {other.problem}</p>}
    </section>
  );
}
