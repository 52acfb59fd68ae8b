import { countText } from "../model/format.ts";
import type { Run } from "../model/runs.ts";

/** Each state with a shape of its own, so that a column of them can be scanned without its colours. */
const STATES: Record<string, { readonly shape: string; readonly tone: string }> = {
  running: { shape: "◐", tone: "tone-accent" },
  completed: { shape: "●", tone: "tone-positive" },
  live: { shape: "★", tone: "tone-positive" },
  retired: { shape: "○", tone: "muted" },
  interrupted: { shape: "◆", tone: "tone-warn" },
  failed: { shape: "✕", tone: "tone-bad" },
  cancelled: { shape: "–", tone: "muted" },
};

export function RunState({ state }: { state: string }) {
  const { shape, tone } = STATES[state] ?? { shape: "?", tone: "muted" };
  return (
    <span class={`run-state ${tone}`}>
      <span aria-hidden="true">{shape}</span> {state}
    </span>
  );
}

export function RunProgress({ run }: { run: Run }) {
  return (
    <span class="run-progress">
      <progress max={run.unitsTotal || 1} value={run.unitsDone} aria-label={`Progress of ${run.id}`} />
      <span>
        {Math.floor((100 * run.unitsDone) / (run.unitsTotal || 1))} %<span class="muted"> · {countText(run.unitsDone)} of {countText(run.unitsTotal)} units</span>
      </span>
    </span>
  );
}
