import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { type CoverageRow, coverageHeight, subjectFilter, type Window } from "../model/facets.ts";
import type { Filters } from "../model/filters.ts";
import { articlesText, countText, windowText } from "../model/format.ts";
import { shortName, type Subject } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { sumOf } from "./analytics_state.ts";
import { placeOf, stepTo, type Tick } from "./plot.tsx";
import { nameOf, prefs } from "./state.ts";

interface Props {
  readonly rows: readonly CoverageRow[];
  readonly windows: readonly Window[];
  readonly filters: Filters;
  readonly ticks: readonly Tick[];
  readonly onSubject: (row: CoverageRow) => void;
  readonly onCell: (row: CoverageRow, window: Window) => void;
  readonly onPoint: (text: string | null) => void;
}

/** A small column for every window with news, so that it needs no colour to be read; no column is no news. */
function Columns({ counts, most }: { counts: readonly number[]; most: number }) {
  return (
    <svg class="coverage-columns" viewBox={`0 0 ${counts.length} 1`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {counts.map((count, i) => {
        const height = coverageHeight(count, most);
        return count === 0 ? null : <rect key={i} class="fill-plain" x={i + 0.1} y={1 - height} width="0.8" height={height} />;
      })}
    </svg>
  );
}

/** Which subject had news when: one tab stop, arrow keys in both directions, Enter narrows to the place. */
export function CoverageMap({ rows, windows, filters, ticks, onSubject, onCell, onPoint }: Props) {
  const grid = useRef<HTMLDivElement>(null);
  const stop = useSignal<{ readonly subject: Subject; readonly start: Ms } | null>(null);
  const current = {
    row: Math.max(0, rows.findIndex(({ subject }) => subject === stop.value?.subject)),
    column: placeOf(stop.value?.start ?? null, windows.map(({ start }) => start)),
  };
  const most = Math.max(1, ...rows.flatMap(({ counts }) => counts));
  const focusOn = (row: number, column: number): void => {
    grid.current?.querySelectorAll(".coverage-row")[row]?.querySelectorAll<HTMLElement>(".coverage-cell")[column]?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const down = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const column = stepTo(event.key, current.column, windows.length);
    if (down === undefined && column === null) return;
    event.preventDefault();
    focusOn(Math.max(0, Math.min(rows.length - 1, current.row + (down ?? 0))), column ?? current.column);
  };
  const isChosen = (row: CoverageRow): boolean => {
    const { name, value } = subjectFilter(row.subject);
    return filters[name] === value;
  };
  return (
    <div class="coverage">
      {rows.map((row, at) => (
        <button key={row.subject} type="button" class="coverage-name" style={{ gridRow: at + 1 }} aria-pressed={isChosen(row)} title={nameOf(row.subject)} onClick={() => onSubject(row)}>
          <span>{shortName(row.subject)}</span>
          <span class="muted">{countText(sumOf(row.counts))}</span>
        </button>
      ))}
      <div ref={grid} class="coverage-grid" role="group" aria-label="Articles by subject and time" style={{ gridRow: `1 / span ${rows.length}` }} onKeyDown={onKey} onMouseLeave={() => onPoint(null)}>
        {rows.map((row, at) => (
          <div key={row.subject} class={`coverage-row${isChosen(row) ? " is-chosen" : ""}`}>
            <Columns counts={row.counts} most={most} />
            {windows.map((window, i) => {
              const text = `${shortName(row.subject)}, ${windowText(window.start, window.end, prefs.value.zone)}: ${articlesText(row.counts[i] ?? 0)}`;
              const place = { subject: row.subject, start: window.start };
              return (
                <button
                  key={window.start}
                  type="button"
                  class="coverage-cell"
                  tabIndex={at === current.row && i === current.column ? 0 : -1}
                  aria-label={text}
                  onClick={() => {
                    stop.value = place;
                    onCell(row, window);
                  }}
                  onFocus={() => {
                    stop.value = place;
                    onPoint(text);
                  }}
                  onBlur={() => onPoint(null)}
                  onMouseEnter={() => onPoint(text)}
                />
              );
            })}
          </div>
        ))}
      </div>
      <div class="plot-ticks coverage-ticks" aria-hidden="true" style={{ gridRow: rows.length + 1 }}>
        {ticks.map((tick) => (
          <span key={tick.column} style={{ insetInlineStart: `${(100 * tick.column) / Math.max(1, windows.length)}%` }}>
            {tick.text}
          </span>
        ))}
      </div>
    </div>
  );
}
