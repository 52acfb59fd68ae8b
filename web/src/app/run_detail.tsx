import "./styles/later.css";
import "./styles/pages.css";
import "./styles/runs.css";
import { type Signal, signal, useSignal } from "@preact/signals";
import { countText, latencyText, momentText } from "../model/format.ts";
import { canPromote, canRollBack, type Difference, generationsOf, type Report, type RunDetail } from "../model/runs.ts";
import { ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { compareRun, fetchRun, promote, rollBack } from "../store/runs_api.ts";
import { AdminDialog, type Wish } from "./admin_dialog.tsx";
import { PageLink } from "./page_link.tsx";
import { RunOverlay } from "./run_overlay.tsx";
import { RunProgress, RunState } from "./run_parts.tsx";
import { RunReport } from "./run_report.tsx";
import { useRuns } from "./runs_state.ts";
import { Stat } from "./stat.tsx";
import { prefs, route } from "./state.ts";

const COUNTS: Record<string, string> = { counted: "Events counted", too_late: "Too late", quarantined: "Quarantined", duplicates: "Duplicates", buckets: "Buckets" };

function Facts({ run }: { run: RunDetail }) {
  const { seconds, eventsPerSecond, digest } = run;
  return (
    <section class="panel ops-panel" aria-label="The run">
      <div class="run-line">
        <RunState state={run.state} />
        <RunProgress run={run} />
      </div>
      {run.error !== null && <p class="tone-bad" role="alert">✕ {run.error}. <code>candlewick replay resume {run.id}</code> goes on from here.</p>}
      <dl class="stats">
        {run.counts.filter(([name, value]) => name in COUNTS && (value > 0 || name === "counted")).map(([name, value]) => (
          <Stat key={name} name={COUNTS[name] ?? name} value={countText(value)} />
        ))}
        {seconds !== null && <Stat name="Took" value={latencyText(ms(seconds * 1_000))} {...(eventsPerSecond === null ? {} : { note: `${countText(eventsPerSecond)} events a second` })} />}
        <Stat name="Model" value={run.model ?? "as scored"} />
        {digest !== null && <Stat name="Digest" value={digest.slice(0, 12)} note="of all buckets; verify makes it again" />}
      </dl>
      {run.audit.length > 0 && (
        <ol class="run-audit">
          {run.audit.map((done) => (
            <li key={`${done.at} ${done.action}`}>
              <span class="muted">{done.at === null ? "" : momentText(done.at, prefs.value.zone)}</span> {done.action}
              {done.reason !== "" && <span class="muted"> · {done.reason}</span>}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

interface Compared {
  readonly report: Report | null;
  readonly worst: readonly Difference[];
}

function compareWish(run: RunDetail, took: (compared: Compared) => void): Wish {
  return {
    title: `Compare ${run.generation} with ${run.live}`,
    button: "Compare",
    reason: "none",
    children: <p class="muted">Reads every bucket of both. The answer is kept and lets {run.generation} be promoted when it is inside the thresholds.</p>,
    run: async (key) => took(await compareRun(run.id, key)),
  };
}

function promoteWish(run: RunDetail, done: () => void): Wish {
  const { report, generation, live } = run;
  const fresh = report !== null && report.before === live && report.breaches.length === 0;
  const faults = report === null || report.before !== live ? [`It was not compared with ${live} yet.`] : report.breaches;
  return {
    title: `Make ${generation} live`,
    button: fresh ? "Promote" : "Promote all the same",
    reason: fresh ? "optional" : "required",
    children: (
      <>
        <p>
          Every open dashboard shows {generation} instead of {live} within seconds. It can be rolled back.
        </p>
        {!fresh && (
          <ul class="run-breaches">
            {faults.map((fault) => (
              <li key={fault} class="tone-warn">
                ◆ {fault}
              </li>
            ))}
          </ul>
        )}
      </>
    ),
    run: async (key, reason) => {
      await promote(generation, key, !fresh, reason);
      done();
    },
  };
}

/** Offered once the server has told how many events a rollback would leave out. */
function LeaveOut({ offered, force }: { offered: Signal<boolean>; force: Signal<boolean> }) {
  if (!offered.value) return null;
  return (
    <label class="admin-check">
      <input type="checkbox" checked={force.value} onChange={(event) => (force.value = event.currentTarget.checked)} /> Leave out what has expired
    </label>
  );
}

function rollBackWish(run: RunDetail, done: () => void): Wish {
  const offered = signal(false);
  const force = signal(false);
  return {
    title: `Go back from ${run.generation} to ${run.previous}`,
    button: "Roll back",
    get reason() {
      return force.value ? "required" : "optional";
    },
    children: (
      <>
        <p>
          {run.previous} catches up with what has arrived since and is live again; {run.generation} is kept.
        </p>
        <LeaveOut offered={offered} force={force} />
      </>
    ),
    run: async (key, reason) => {
      try {
        await rollBack(run.generation, key, force.value, reason);
      } catch (error) {
        if (error instanceof ApiError && error.message.includes("--force")) offered.value = true;
        throw error;
      }
      done();
    },
  };
}

function Actions({ run, ask, took, done }: { run: RunDetail; ask: (wish: Wish) => void; took: (compared: Compared) => void; done: () => void }) {
  const promotable = canPromote(run) && run.generation !== run.live;
  return (
    <div class="run-actions">
      {promotable && (
        <button type="button" class="button" onClick={() => ask(compareWish(run, took))}>
          {run.report === null ? "Compare" : "Compare again"}
        </button>
      )}
      {promotable && (
        <button type="button" class="button button-primary" onClick={() => ask(promoteWish(run, done))}>
          Promote
        </button>
      )}
      {canRollBack(run) && (
        <button type="button" class="button" onClick={() => ask(rollBackWish(run, done))}>
          Roll back to {run.previous}
        </button>
      )}
    </div>
  );
}

function Body({ run, again }: { run: RunDetail; again: () => void }) {
  const wish = useSignal<Wish | null>(null);
  const compared = useSignal<Compared | null>(null);
  const said = useSignal("");
  const names = generationsOf(run);
  const done = (): void => {
    said.value = "Done.";
    again();
  };
  const took = (found: Compared): void => {
    compared.value = found;
    said.value = found.report?.breaches.length === 0 ? "Compared: inside all thresholds." : "Compared: outside the thresholds.";
    again();
  };
  const { report, worst } = compared.value ?? { report: null, worst: [] };
  // What is live may have changed since they were compared.
  const fits = report !== null && report.before === names?.before && report.after === names.after;
  return (
    <>
      <div class="page-head">
        <h1>
          {run.id} <span class="muted">builds</span> {run.generation}
        </h1>
        <Actions run={run} ask={(asked) => (wish.value = asked)} took={took} done={done} />
        <p class="visually-hidden" role="status">
          {said.value}
        </p>
      </div>
      <Facts run={run} />
      {names !== null && run.state !== "cancelled" && <RunOverlay names={{ ...names, live: run.live }} state={run.state} />}
      {names !== null && <RunReport run={run} report={report ?? run.report} worst={fits ? worst : []} names={names} />}
      {wish.value !== null && <AdminDialog wish={wish.value} close={() => (wish.value = null)} />}
    </>
  );
}

function OneRun({ id }: { id: string }) {
  const wishes = useSignal(0);
  // After every wish it is asked again.
  const { answer: run, problem } = useRuns(() => fetchRun(id), ({ state }) => state === "running", `${id} ${wishes.value}`);
  return (
    <main class="page run-page" id="main" tabIndex={-1}>
      <p class="crumb">
        <PageLink page="runs" label="‹ All runs" />
      </p>
      {problem !== null && (
        <p class={run === null ? "panel empty" : "tone-warn"} role="status">
          ◆ {problem} {run !== null && "What is shown is the last known state."}
        </p>
      )}
      {run === null ? (
        problem === null && <div class="panel skeleton ops-skeleton" role="status" aria-label="Loading" />
      ) : (
        <Body key={run.id} run={run} again={() => (wishes.value += 1)} />
      )}
    </main>
  );
}

/** Each run on a page of its own: what is known of one says nothing of another. */
export function RunDetailPage() {
  const id = route.value.id ?? "";
  return <OneRun key={id} id={id} />;
}
