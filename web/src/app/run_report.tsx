import { useSignal } from "@preact/signals";
import { LABELS } from "../model/bucket.ts";
import { labelMark } from "../model/candle_text.ts";
import { countText, momentText, scoreText, windowText } from "../model/format.ts";
import type { Difference, Report, ReportRow, RunDetail } from "../model/runs.ts";
import { decimalText, shareText } from "../model/share.ts";
import { shortName } from "../model/subject.ts";
import { ApiError } from "../store/api.ts";
import { fetchWorst } from "../store/runs_api.ts";
import { TablePanel } from "./data_table.tsx";
import { go } from "./navigation.ts";
import { Stat } from "./stat.tsx";
import { prefs } from "./state.ts";

/** Subjects shown before the reader asks for all of them. */
const FIRST_SUBJECTS = 12;

const moveText = (value: number): string => decimalText(value, 4);

function Rows({ rows }: { rows: readonly ReportRow[] }) {
  return (
    <>
      {rows.map((row) => (
        <tr key={row.name}>
          <th scope="row">{row.name}</th>
          {[row.equal, row.changed, row.onlyBefore, row.onlyAfter, row.newer].map((count, i) => (
            <td key={i} class={count === 0 ? "number muted" : "number"}>
              {countText(count)}
            </td>
          ))}
          <td class="number">{moveText(row.meanMove)}</td>
        </tr>
      ))}
    </>
  );
}

function Verdict({ report }: { report: Report }) {
  if (report.breaches.length === 0) return <p class="tone-positive">✓ Inside all thresholds.</p>;
  return (
    <ul class="run-breaches" aria-label="Outside the thresholds">
      {report.breaches.map((breach) => (
        <li key={breach} class="tone-warn">
          ◆ {breach}
        </li>
      ))}
    </ul>
  );
}

/** Where each label went; exact only where the run scored the events again. */
function Flips({ report }: { report: Report }) {
  const { matrix, events, share, exact } = report.flips;
  const most = Math.max(1, ...matrix.values());
  return (
    <section class="panel ops-panel">
      <h2>Labels</h2>
      <p>
        {countText(events)} changed ({shareText(share, 1)}{exact ? "" : ", at least"})
      </p>
      {matrix.size > 0 && (
        <div class="table-scroll" tabIndex={0} role="region" aria-label="Labels before and after">
          <table class="flips">
            <thead>
              <tr>
                <th scope="col">{report.before} said</th>
                {LABELS.map((label) => (
                  <th key={label} scope="col" class={`number tone-${label}`}>
                    <span aria-hidden="true">{labelMark(label)}</span> {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {LABELS.map((from) => (
                <tr key={from}>
                  <th scope="row" class={`tone-${from}`}>
                    <span aria-hidden="true">{labelMark(from)}</span> {from}
                  </th>
                  {LABELS.map((to) => {
                    const count = matrix.get(`${from}>${to}`) ?? 0;
                    return (
                      <td key={to} class={`number${from === to ? " muted" : ""}`}>
                        <span class="flip-bar" style={`--share:${count / most}`} aria-hidden="true" />
                        {countText(count)}
                      </td>
                    );
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Worst({ run, known, names }: { run: RunDetail; known: readonly Difference[]; names: { before: string; after: string } }) {
  const found = useSignal<readonly Difference[] | null>(null);
  const state = useSignal<"idle" | "busy" | string>("idle");
  const worst = known.length > 0 ? known : found.value;
  const look = async (): Promise<void> => {
    state.value = "busy";
    try {
      found.value = await fetchWorst(names.before, names.after);
      state.value = "idle";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      state.value = error.message;
    }
  };
  if (worst === null) {
    return (
      <section class="panel ops-panel">
        <h2>What differs most</h2>
        <p class="muted">Both generations are read bucket by bucket, which takes some seconds.</p>
        <button type="button" class="button" disabled={state.value === "busy"} onClick={() => void look()}>
          {state.value === "busy" ? "Looking" : "Find the 20 buckets that differ most"}
        </button>
        {state.value !== "idle" && state.value !== "busy" && <p class="tone-warn" role="alert">◆ {state.value}</p>}
      </section>
    );
  }
  if (worst.length === 0) return null;
  return (
    <TablePanel numeric title="What differs most" columns={["Candle", names.before, names.after, "Differs by", "n"]}>
      {worst.map((row) => (
        <tr key={`${row.subject} ${row.resolution} ${row.before.start}`}>
          <th scope="row">
            <button type="button" class="link-button" onClick={() => go({ page: "runs", id: run.id, subject: row.subject, resolution: row.resolution, at: row.before.start })}>
              {shortName(row.subject)} {row.resolution}
            </button>{" "}
            <span class="muted">{windowText(row.before.start, row.before.end, prefs.value.zone)}</span>
            {row.titles.slice(0, 2).map((title) => (
              <span key={title} class="cell-error" dir="auto">
                {title}
              </span>
            ))}
          </th>
          <td class="number">{scoreText(row.before.close)}</td>
          <td class="number">{scoreText(row.after.close)}</td>
          <td class="number">{decimalText(row.size, 2)}</td>
          <td class="number">{countText(row.after.count)}</td>
        </tr>
      ))}
    </TablePanel>
  );
}

export function RunReport({ run, report, worst, names }: { run: RunDetail; report: Report | null; worst: readonly Difference[]; names: { before: string; after: string } }) {
  const all = useSignal(false);
  if (report === null) {
    return (
      <section class="panel ops-panel">
        <h2>Comparison</h2>
        <p class="muted">
          {run.state === "running" ? "The run goes on; it can be compared when it is completed." : `${run.generation} has not been compared yet. "Compare" reads both generations and says what would change.`}
        </p>
      </section>
    );
  }
  const { total } = report;
  const columns = ["Resolution", "Equal", "Changed", `Only ${report.before}`, `Only ${report.after}`, "Newer", "Mean move"];
  const subjects = [...report.bySubject].sort((a, b) => b.meanMove * b.changed - a.meanMove * a.changed);
  return (
    <div class="report">
      <section class="panel ops-panel report-head">
        <h2>
          {report.after} against {report.before}
          <span class="muted"> · {report.at === null ? "" : momentText(report.at, prefs.value.zone)}{report.complete ? "" : ", stopped before the end"}</span>
        </h2>
        <Verdict report={report} />
        <dl class="stats">
          {([["Equal", total.equal], ["Changed", total.changed], [`Only in ${report.before}`, total.onlyBefore], [`Only in ${report.after}`, total.onlyAfter], ["Newer than the plan", total.newer]] as const).map(([name, count]) => (
            <Stat key={name} name={name} value={countText(count)} />
          ))}
          <Stat name="Mean move of a close" value={moveText(total.meanMove)} />
          <Stat name="Stability index" value={decimalText(report.stability, 3)} note={`above ${decimalText(0.25, 2)} is a shift of the scores`} />
        </dl>
      </section>
      <Flips report={report} />
      <TablePanel numeric title="By resolution" columns={columns}>
        <Rows rows={report.byResolution} />
      </TablePanel>
      {subjects.length > 0 && (
        <TablePanel numeric title="By subject" columns={["Subject", ...columns.slice(1)]}>
          <Rows rows={all.value ? subjects : subjects.slice(0, FIRST_SUBJECTS)} />
          {!all.value && subjects.length > FIRST_SUBJECTS && (
            <tr>
              <td colSpan={7}>
                <button type="button" class="link-button" onClick={() => (all.value = true)}>
                  Show all {countText(subjects.length)} subjects
                </button>
              </td>
            </tr>
          )}
        </TablePanel>
      )}
      <Worst key={`${names.before} ${names.after}`} run={run} known={worst} names={names} />
    </div>
  );
}
