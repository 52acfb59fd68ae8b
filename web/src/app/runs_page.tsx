import "./styles/pages.css";
import "./styles/runs.css";
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { momentText } from "../model/format.ts";
import { formatRoute } from "../model/route.ts";
import type { Run, RunsAnswer } from "../model/runs.ts";
import { ApiError } from "../store/api.ts";
import { fetchRuns } from "../store/runs_api.ts";
import { Lazy } from "./lazy.tsx";
import { go } from "./navigation.ts";
import { RunProgress, RunState } from "./run_parts.tsx";
import { prefs, route, sync } from "./state.ts";

const RUNNING_REFRESH_MS = 2_000;
const REFRESH_MS = 10_000;

interface Loaded {
  readonly answer: RunsAnswer | null;
  readonly problem: string | null;
}

/** The runs, asked for again while one is going on, and at once when another generation goes live. */
function useRuns(): Loaded {
  const loaded = useSignal<Loaded>({ answer: null, problem: null });
  const { epoch } = sync.value;
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const load = async (): Promise<void> => {
      try {
        const answer = await fetchRuns();
        if (!gone) loaded.value = { answer, problem: null };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (!gone) loaded.value = { ...loaded.value, problem: error.message };
      }
      const running = loaded.value.answer?.runs.some((run) => run.state === "running") === true;
      if (!gone) timer = window.setTimeout(() => void load(), running ? RUNNING_REFRESH_MS : REFRESH_MS);
    };
    void load();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [epoch]);
  return loaded.value;
}

function Row({ run }: { run: Run }) {
  const target = { ...route.value, id: run.id };
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go({ page: "runs", id: run.id });
  };
  return (
    <tr>
      <th scope="row">
        <a href={formatRoute(target)} onClick={follow}>
          {run.id}
        </a>
      </th>
      <td>{run.generation}</td>
      <td>
        <RunState state={run.state} />
        {run.error !== null && <span class="cell-error">{run.error}</span>}
      </td>
      <td>
        <RunProgress run={run} />
      </td>
      <td>{run.model ?? <span class="muted">as scored</span>}</td>
      <td>{run.createdAt === null ? "—" : momentText(run.createdAt, prefs.value.zone)}</td>
    </tr>
  );
}

function Empty() {
  return (
    <div class="panel empty">
      <h2>Nothing has been replayed yet</h2>
      <p>
        A replay reads the event log again, with another model or mended windows, and builds a generation beside the live
        one. Nothing that is shown changes until it is promoted.
      </p>
      <pre>candlewick replay plan --model NAME{"\n"}candlewick replay run</pre>
    </div>
  );
}

const COLUMNS = ["Run", "Builds", "State", "Progress", "Model", "Begun"];

function RunList() {
  const { answer, problem } = useRuns();
  return (
    <main class="page" id="main" tabIndex={-1}>
      <div class="page-head">
        <h1>Replay runs</h1>
        {answer !== null && (
          <p>
            <strong>{answer.live}</strong> <span class="muted">is live</span>
          </p>
        )}
        {problem !== null && (
          <p class="tone-warn" role="status">
            ◆ {problem} {answer !== null && "What is shown is the last known state."}
          </p>
        )}
      </div>
      {answer === null && problem === null && <div class="panel skeleton ops-skeleton" role="status" aria-label="Loading" />}
      {answer?.runs.length === 0 && <Empty />}
      {answer !== null && answer.runs.length > 0 && (
        <section class={`panel ops-panel${problem === null ? "" : " stale"}`}>
          <div class="table-scroll" tabIndex={0} role="region" aria-label="Runs">
            <table>
              <thead>
                <tr>
                  {COLUMNS.map((name) => (
                    <th key={name} scope="col">
                      {name}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {answer.runs.map((run) => (
                  <Row key={run.id} run={run} />
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </main>
  );
}

const loadDetail = (): Promise<ComponentType> => import("./run_detail.tsx").then((module) => module.RunDetailPage);

export function RunsPage() {
  if (route.value.id === null) return <RunList />;
  return (
    <Lazy load={loadDetail}>
      <main class="page" id="main" aria-busy="true" />
    </Lazy>
  );
}
