import "./styles/later.css";
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import { articlesText, countText, scoreText, windowText } from "../model/format.ts";
import { closeMove, countVerdicts, type Pair, toPairs, verdictOf } from "../model/overlay.ts";
import { slotMsOf } from "../model/resolution.ts";
import type { Slot } from "../model/slots.ts";
import { type SeriesKey, shortName, type Subject } from "../model/subject.ts";
import { e4, ms, type Ms } from "../model/units.ts";
import type { Bucket } from "../model/bucket.ts";
import { ApiError } from "../store/api.ts";
import { fetchRange } from "../store/range_api.ts";
import { fetchGeneration } from "../store/runs_api.ts";
import { CandleChart } from "../view/chart.ts";
import { OVERLAY } from "../view/overlay_look.ts";
import { keepShown } from "./chart_wiring.ts";
import { retryNow } from "./controller.ts";
import { go, selectCandle } from "./navigation.ts";
import { CHANGED, type Missing, MissingNote, useOlder, useOlderSelected } from "./older_candles.tsx";
import { ResolutionBar } from "./resolution_bar.tsx";
import { failure, hovered, nameOf, prefs, resolution, route, selected, selectedKey, selectedSeries, subjects, watched } from "./state.ts";
import { STEPS, stepTo } from "./stepping.ts";

/** So long after an answer the generation of a run that goes on is asked for again. */
const REFRESH_MS = 5_000;

interface Names {
  readonly before: string;
  readonly after: string;
  readonly live: string;
}

interface Other {
  /** Which series of which generation this is. */
  readonly name: string;
  /** Null until they have come. */
  readonly buckets: readonly Bucket[] | null;
  readonly whole: boolean;
  readonly problem: string | null;
}

interface Followed extends Other {
  readonly missing: Missing;
  readonly retry: () => void;
}

/** The newest candles with those from `from` on before them, so that what is shown is replaced in one go. */
async function fetchFrom(key: SeriesKey, generation: string, from: number, signal: AbortSignal): Promise<SeriesAnswer> {
  const answer = await fetchGeneration(key, generation, signal);
  const end = answer.buckets[0]?.start;
  if (answer.whole || end === undefined || from === 0 || from >= end) return answer;
  const older = await fetchRange(key, { start: ms(from), end, generation }, signal);
  if (older === null) throw new ApiError(200, "There are too many candles to load them again.");
  return { ...answer, buckets: [...older.buckets, ...answer.buckets] };
}

/** The generation that is not live, fetched again while its run goes on; the live one is what the page follows anyway. */
function useOther(generation: string, state: string): Followed {
  const key = selectedKey.value;
  const name = `${key} ${generation}`;
  const nothing: Other = { name, buckets: null, whole: false, problem: null };
  const found = useSignal(nothing);
  const tries = useSignal(0);
  const from = useRef(Infinity);
  const known = (): Other => (found.value.name === name ? found.value : nothing);
  useEffect(() => {
    if (key === null) return undefined;
    const abort = new AbortController();
    let timer = 0;
    const load = async (): Promise<void> => {
      try {
        const { buckets, whole } = await fetchFrom(key, generation, from.current, abort.signal);
        if (!abort.signal.aborted) found.value = { name, buckets, whole, problem: null };
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        found.value = { ...known(), problem: error.message };
      }
      if (state === "running" && !abort.signal.aborted) timer = window.setTimeout(() => void load(), REFRESH_MS);
    };
    void load();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [name, state, tries.value]);
  const { buckets, whole } = known();
  const take = (older: SeriesAnswer): "none" | ApiError => {
    const now = known();
    if (now.buckets === null) return CHANGED;
    // The newest may have been loaded again meanwhile.
    const first = now.buckets[0]?.start ?? Infinity;
    found.value = { ...now, buckets: [...older.buckets.filter(({ start }) => start < first), ...now.buckets] };
    return "none";
  };
  const missing = useOlder({ key, buckets: buckets ?? [], ready: buckets !== null, whole, generation, take });
  from.current = missing.from;
  const retry = (): void => {
    found.value = { ...known(), problem: null };
    tries.value += 1;
  };
  return { ...known(), missing, retry };
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
  const differs = ({ pair }: Slot): boolean => pair !== undefined && !["equal", "newer"].includes(verdictOf(pair));
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
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const parts = [
    `${countText(counts.changed)} changed`, `${countText(counts.equal)} equal`,
    ...(counts["only before"] > 0 ? [`${countText(counts["only before"])} only in ${names.before}`] : []),
    ...(counts["only after"] > 0 ? [`${countText(counts["only after"])} only in ${names.after}`] : []),
    ...(counts.newer > 0 ? [`${countText(counts.newer)} newer in ${names.live}`] : []),
  ];
  return <p class="overlay-verdicts muted">{`Of ${countText(total)} candles loaded: ${parts.join(", ")}.`}</p>;
}

/** Says why there is nothing to compare, or why what is compared may be out of date. */
function Problem({ text, retry }: { text: string | null; retry: () => void }) {
  if (text === null) return <>Loading</>;
  return (
    <>
      {text}{" "}
      <button type="button" class="link-button" onClick={retry}>
        Try again
      </button>
    </>
  );
}

/** Shown instead of the pairs while there are none. */
function Cover({ isLiveThere, other }: { isLiveThere: boolean; other: Followed }) {
  return (
    <p class="cover muted" role="status">
      {!isLiveThere ? (
        <Problem text={failure.value} retry={retryNow} />
      ) : other.buckets === null ? (
        <Problem text={other.problem} retry={other.retry} />
      ) : (
        "Neither generation has a candle of this subject at this resolution."
      )}
    </p>
  );
}

/** The pairs of what both generations are known to hold; none until both are there. */
function usePairs(names: Names, state: string) {
  const liveIsAfter = names.after === names.live;
  const other = useOther(liveIsAfter ? names.before : names.after, state);
  const { buckets, generation } = selectedSeries.value;
  const missing = useOlderSelected();
  const isLiveThere = generation === names.live;
  // Where one is still to be fetched, what the other has there would pass for its own alone.
  const since = Math.max(missing.from, other.missing.from);
  const slots = useMemo((): readonly Slot[] => {
    if (!isLiveThere || other.buckets === null) return [];
    const known = (list: readonly Bucket[]): readonly Bucket[] => list.filter(({ start }) => start >= since);
    const [live, built] = [known(buckets), known(other.buckets)];
    const slotMs = slotMsOf(resolution.value);
    return liveIsAfter ? toPairs(built, live, slotMs, "after") : toPairs(live, built, slotMs, "before");
  }, [buckets, isLiveThere, other.buckets, liveIsAfter, since]);
  return { slots, other, isLiveThere, missing: missing.certain ? other.missing : missing };
}

/**
 * Two generations of one series on one chart, with a keyboard path and a sentence for each place. `state` is
 * that of the run that builds one of them.
 */
export function RunOverlay({ names, state }: { names: Names; state: string }) {
  const host = useRef<HTMLDivElement>(null);
  const { slots, other, isLiveThere, missing } = usePairs(names, state);
  const drawn = useSignal(slots);
  useEffect(() => (host.current === null ? undefined : mount(host.current, drawn, names)), [names.before, names.after]);
  useEffect(() => void (drawn.value = slots), [slots]);
  const step = (event: KeyboardEvent): void => {
    const by = STEPS[event.key];
    const places = slots.flatMap(({ bucket }) => bucket ?? []);
    if (by === undefined || places.length === 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const landed = stepTo(places, route.value.at, by);
    if (landed !== undefined) go({ at: landed.start }, "replace");
  };
  const pair = shownPair(slots);
  const chosen = route.value.at === null ? undefined : slots.find((slot) => slot.start === route.value.at)?.pair;
  const nothing = slots.length === 0;
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
        {nothing && <Cover isLiveThere={isLiveThere} other={other} />}
      </div>
      <p class="key" aria-label="Key of the chart">
        <span><span class="overlay-swatch swatch-before" aria-hidden="true" /> {names.before}, outlined, left</span>
        <span><span class="overlay-swatch swatch-after" aria-hidden="true" /> {names.after}, filled, right</span>
        <span class="muted">grey: both the same</span>
        <span class="muted">below: how far the close moved</span>
      </p>
      {!nothing && <Verdicts slots={slots} names={names} />}
      {!nothing && other.problem !== null && (
        <p class="tone-warn overlay-verdicts" role="status">
          ◆ <Problem text={other.problem} retry={other.retry} />
        </p>
      )}
    </section>
  );
}
