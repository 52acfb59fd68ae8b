import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { Label } from "../model/bucket.ts";
import { heights } from "../model/facets.ts";

/** One part of a column; parts are stacked from the bottom. */
export interface Part {
  readonly tone: Label | "plain";
  readonly value: number;
}

export interface Column {
  readonly key: string;
  readonly parts: readonly Part[];
  /** Everything the column says, in words. */
  readonly text: string;
}

export interface Tick {
  /** The column whose left edge the tick stands at. */
  readonly column: number;
  readonly text: string;
}

interface Props {
  readonly label: string;
  readonly columns: readonly Column[];
  readonly ceiling: number;
  readonly ticks: readonly Tick[];
  readonly chosen: (column: number) => boolean;
  readonly onPick: (column: number, extend: boolean) => void;
  readonly onPoint?: (text: string | null) => void;
  readonly tall?: boolean;
}

const STEPS: Record<string, number | "first" | "last"> = { ArrowRight: 1, ArrowLeft: -1, Home: "first", End: "last" };

/** Where the tab stop is; columns may have moved since it was set, and where it is gone the last one has it. */
export function placeOf<Key>(stop: Key | null, keys: readonly Key[]): number {
  const found = stop === null ? -1 : keys.indexOf(stop);
  return found < 0 ? keys.length - 1 : found;
}

/** Moves the one tab stop of a row of buttons; returns where it goes, null for another key. */
export function stepTo(key: string, at: number, count: number): number | null {
  const step = STEPS[key];
  if (step === undefined) return null;
  if (step === "first") return 0;
  return step === "last" ? count - 1 : Math.max(0, Math.min(count - 1, at + step));
}

function Bars({ columns, ceiling }: { columns: readonly Column[]; ceiling: number }) {
  return (
    <svg class="plot-bars" viewBox={`0 0 ${Math.max(1, columns.length)} 1`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {columns.map(({ key, parts }, i) => {
        const sizes = heights(parts.map(({ value }) => value), ceiling);
        let top = 1;
        return parts.map(({ tone }, part) => {
          const size = sizes[part] ?? 0;
          top -= size;
          return size === 0 ? null : <rect key={`${key}${tone}`} class={`fill-${tone}`} x={i + 0.1} y={Math.max(0, top)} width="0.8" height={size} />;
        });
      })}
    </svg>
  );
}

/**
 * A histogram whose columns are buttons: one tab stop, arrow keys from column to column, Enter or a click
 * narrows the page to it. The drawing is plain SVG, so it keeps its colours where backgrounds are forced.
 */
export function Plot({ label, columns, ceiling, ticks, chosen, onPick, onPoint, tall = false }: Props) {
  const hits = useRef<HTMLDivElement>(null);
  const stop = useSignal<string | null>(null);
  const current = placeOf(stop.value, columns.map(({ key }) => key));
  const anyChosen = columns.some((_, i) => chosen(i));
  const onKey = (event: KeyboardEvent): void => {
    const next = stepTo(event.key, current, columns.length);
    if (next === null || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    hits.current?.querySelectorAll("button")[next]?.focus();
  };
  return (
    <div class={`plot${tall ? " plot-tall" : ""}${anyChosen ? " has-choice" : ""}`}>
      <div class="plot-area">
        <Bars columns={columns} ceiling={ceiling} />
        <div ref={hits} class="plot-hits" role="group" aria-label={label} onKeyDown={onKey} onMouseLeave={() => onPoint?.(null)}>
          {columns.map((column, i) => (
            <button
              key={column.key}
              type="button"
              class="plot-hit"
              tabIndex={i === current ? 0 : -1}
              aria-pressed={chosen(i)}
              aria-label={column.text}
              title={onPoint === undefined ? column.text : undefined}
              onClick={(event) => {
                stop.value = column.key;
                onPick(i, event.shiftKey);
              }}
              onFocus={() => {
                stop.value = column.key;
                onPoint?.(column.text);
              }}
              onBlur={() => onPoint?.(null)}
              onMouseEnter={() => onPoint?.(column.text)}
            />
          ))}
        </div>
      </div>
      <div class="plot-ticks" aria-hidden="true">
        {ticks.map((tick) => (
          <span key={tick.column} class={tick.column >= columns.length ? "tick-end" : undefined} style={{ insetInlineStart: `${(100 * tick.column) / Math.max(1, columns.length)}%` }}>
            {tick.text}
          </span>
        ))}
      </div>
    </div>
  );
}
