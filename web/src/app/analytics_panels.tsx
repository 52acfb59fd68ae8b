import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { type Label, LABELS } from "../model/bucket.ts";
import { labelMark } from "../model/candle_text.ts";
import { type CoverageRow, type Delays, delayName, delayText, type Facets, type Named, niceCeiling, percentileText, scoreName, subjectFilter, type Window, windowTotal } from "../model/facets.ts";
import { withFilters } from "../model/filter_queries.ts";
import { type FilterName, type Filters } from "../model/filters.ts";
import { articlesText, clockText, countText, dateText, scoreText, windowText } from "../model/format.ts";
import { spokenOf } from "../model/resolution.ts";
import { shareText } from "../model/share.ts";
import { parseSubject } from "../model/subject.ts";
import { DAY, e4, formatIso, HOUR } from "../model/units.ts";
import { isInRange, pick, pickWindow, sumOf } from "./analytics_state.ts";
import { BarList } from "./bar_list.tsx";
import { CoverageMap } from "./coverage_map.tsx";
import { scoreRangeText } from "./filter_text.ts";
import { go } from "./navigation.ts";
import { type Column, Plot, type Tick } from "./plot.tsx";
import { nameOf, prefs } from "./state.ts";

interface PanelProps {
  readonly facets: Facets;
  readonly filters: Filters;
}

const TICKS = 6;

function Panel({ title, note, span, children }: { title: string; note?: ComponentChildren; span: 4 | 8 | 12; children: ComponentChildren }) {
  return (
    <section class={`panel facet span-${span}`} aria-label={title}>
      <div class="facet-head">
        <h2>{title}</h2>
        {note !== undefined && <p class="facet-note">{note}</p>}
      </div>
      {children}
    </section>
  );
}

/** A few of the windows' starts; over several days the first of each day, by the reader's calendar. */
function timeTicks(windows: readonly Window[]): Tick[] {
  const { zone } = prefs.value;
  const first = windows[0];
  const last = windows.at(-1);
  if (first === undefined || last === undefined) return [];
  if (last.end - first.start > 2 * DAY) {
    const days = windows.map(({ start }) => dateText(start, zone));
    return days.flatMap((text, column) => (column > 0 && days[column - 1] !== text ? [{ column, text }] : []));
  }
  const every = Math.max(1, Math.ceil(windows.length / TICKS));
  return windows.flatMap(({ start }, column) => (column % every === 0 ? [{ column, text: clockText(start, zone) }] : []));
}

const windowSentence = (window: Window): string =>
  `${windowText(window.start, window.end, prefs.value.zone)}: ${articlesText(windowTotal(window))}, ▲ ${countText(window.positive)} positive, ◆ ${countText(window.neutral)} neutral, ▼ ${countText(window.negative)} negative`;

export function RatePanel({ facets, filters }: PanelProps) {
  const pointed = useSignal<string | null>(null);
  const { windows } = facets;
  const ceiling = niceCeiling(Math.max(...windows.map(windowTotal)));
  const width = windows[0] === undefined ? HOUR : windows[0].end - windows[0].start;
  const columns = windows.map((window): Column => ({
    key: String(window.start),
    parts: [
      { tone: "negative", value: window.negative },
      { tone: "neutral", value: window.neutral },
      { tone: "positive", value: window.positive },
    ],
    text: windowSentence(window),
  }));
  const hourly = sumOf(windows.map(windowTotal)) / Math.max(1, (windows.length * width) / HOUR);
  return (
    <Panel title="Ingestion rate" span={8} note={pointed.value ?? `${countText(Math.round(hourly * 10) / 10)} an hour on average; a column is ${spokenOf(facets.resolution)}`}>
      <div class="rate">
        <span class="rate-level" aria-hidden="true">
          {countText(ceiling)}
        </span>
        {ceiling % 2 === 0 && (
          <span class="rate-level rate-half" aria-hidden="true">
            {countText(ceiling / 2)}
          </span>
        )}
        <Plot
          tall
          label="Articles taken in by time and label"
          columns={columns}
          ceiling={ceiling}
          ticks={timeTicks(windows)}
          chosen={(i) => windows[i] !== undefined && isInRange(windows[i], filters)}
          onPick={(i, extend) => windows[i] !== undefined && pickWindow(windows[i], extend)}
          onPoint={(text) => (pointed.value = text)}
        />
      </div>
    </Panel>
  );
}

export function LabelPanel({ facets, filters }: PanelProps) {
  const total = sumOf(LABELS.map((label) => facets.labels[label]));
  const bars = LABELS.map((label) => ({
    name: label,
    count: facets.labels[label],
    tone: label,
    shown: (
      <>
        <span aria-hidden="true">{labelMark(label)} </span>
        {label} <span class="muted">{shareText(facets.labels[label] / Math.max(1, total))}</span>
      </>
    ),
  }));
  return (
    <Panel title="Label mix" span={4}>
      <BarList label="Articles by label" bars={bars} chosen={filters.label} onPick={(name) => pick("label", name)} empty="" />
    </Panel>
  );
}

const tenthTone = (place: number): Label => (place < 9 ? "negative" : place > 10 ? "positive" : "neutral");

export function ScorePanel({ facets, filters }: PanelProps) {
  const pointed = useSignal<string | null>(null);
  const { scores } = facets;
  const columns = scores.map((value, place): Column => ({
    key: scoreName(place),
    parts: [{ tone: tenthTone(place), value }],
    text: `${scoreRangeText(scoreName(place))}: ${articlesText(value)}`,
  }));
  const ticks = [0, 5, 10, 15, 20].map((column): Tick => ({ column, text: scoreText(e4((column - 10) * 1_000)) }));
  return (
    <Panel title="Scores" span={4} note={pointed.value ?? "polarity, by tenths"}>
      <Plot
        label="Articles by polarity"
        columns={columns}
        ceiling={niceCeiling(Math.max(...scores))}
        ticks={ticks}
        chosen={(place) => filters.score === scoreName(place)}
        onPick={(place) => pick("score", scoreName(place))}
        onPoint={(text) => (pointed.value = text)}
      />
    </Panel>
  );
}

export function DelayPanel({ title, name, delays, filters }: { title: string; name: "arrival" | "scoring"; delays: Delays; filters: Filters }) {
  const pointed = useSignal<string | null>(null);
  const { edges, counts } = delays;
  // Backfilled history is stamped as taken in when it happened, and was scored much later.
  const backfilled = name === "scoring" && delays.count > 0 && (delays.p95 === null || delays.p95 >= HOUR);
  const columns = counts.map((value, i): Column => {
    const bin = delayName(edges[i] ?? null);
    return { key: bin, parts: [{ tone: "plain", value }], text: `${delayText(edges, bin)}: ${articlesText(value)}` };
  });
  const ticks = [10, 1_000, 60_000, 3_600_000].flatMap((edge): Tick[] => {
    const column = edges.findIndex((each) => each === edge);
    return column < 0 ? [] : [{ column, text: { 10: "10 ms", 1_000: "1 s", 60_000: "1 min", 3_600_000: "1 h" }[edge] ?? "" }];
  });
  return (
    <Panel title={title} span={4} note={pointed.value ?? `half ${percentileText(delays, "p50")}, ${shareText(0.95)} ${percentileText(delays, "p95")}${backfilled ? "; backfilled history counts from its own time" : ""}`}>
      <Plot
        label={`Articles by delay, ${title}`}
        columns={columns}
        ceiling={niceCeiling(Math.max(...counts))}
        ticks={ticks}
        chosen={(i) => filters[name] === delayName(edges[i] ?? null)}
        onPick={(i) => pick(name, delayName(edges[i] ?? null))}
        onPoint={(text) => (pointed.value = text)}
      />
    </Panel>
  );
}

/** A ticker with its company, where the name is known. */
function shownName(name: FilterName, text: string): ComponentChildren {
  const subject = name === "ticker" ? parseSubject(text) : null;
  const full = subject === null ? text : nameOf(subject);
  if (name === "tag") return `#${text}`;
  return full === text ? text : (
    <>
      {text} <span class="muted">{full}</span>
    </>
  );
}

export function NamesPanel({ title, name, rows, filters, empty }: { title: string; name: "source" | "ticker" | "tag" | "model"; rows: readonly Named[]; filters: Filters; empty: string }) {
  const bars = rows.map((row) => ({ ...row, shown: shownName(name, row.name) }));
  return (
    <Panel title={title} span={4}>
      <BarList label={title} bars={bars} chosen={filters[name]} onPick={(value) => pick(name, value)} empty={empty} />
    </Panel>
  );
}

/** Coverage tells of every subject whichever is chosen, so another one takes its place. */
const NO_SUBJECT = { ticker: null, tag: null } as const;

export function CoveragePanel({ facets, filters }: PanelProps) {
  const pointed = useSignal<string | null>(null);
  const { coverage, windows } = facets;
  const chooseCell = (row: CoverageRow, window: Window): void => {
    const { name, value } = subjectFilter(row.subject);
    go({ filters: withFilters(filters, { ...NO_SUBJECT, [name]: value, from: formatIso(window.start), to: formatIso(window.end) }) });
  };
  return (
    <Panel title="Coverage" span={12} note={pointed.value ?? `the busiest subjects; a taller column is more articles in ${spokenOf(facets.resolution)}, no column is no news`}>
      {coverage.length === 0 ? (
        <p class="panel-note">No subject was recognised in these articles.</p>
      ) : (
        <CoverageMap
          rows={coverage}
          windows={windows}
          filters={filters}
          ticks={timeTicks(windows)}
          onSubject={(row) => {
            const { name, value } = subjectFilter(row.subject);
            go({ filters: withFilters(filters, { ...NO_SUBJECT, [name]: filters[name] === value ? null : value }) });
          }}
          onCell={chooseCell}
          onPoint={(text) => (pointed.value = text)}
        />
      )}
    </Panel>
  );
}
