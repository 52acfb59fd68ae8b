import "./styles/later.css";
import "./styles/pages.css";
import "./styles/runs.css";
import type { ComponentType } from "preact";
import { momentText } from "../model/format.ts";
import { formatRoute } from "../model/route.ts";
import type { Run } from "../model/runs.ts";
import { fetchRuns } from "../store/runs_api.ts";
import { DataTable } from "./data_table.tsx";
import { Lazy } from "./lazy.tsx";
import { follow } from "./page_link.tsx";
import { RunProgress, RunState } from "./run_parts.tsx";
import { useRuns } from "./runs_state.ts";
import { prefs, route } from "./state.ts";

function Row({ run }: { run: Run }) {
  const target = { ...route.value, id: run.id };
  return (
    <tr>
      <th scope="row">
        <a href={formatRoute(target)} onClick={(event) => follow(event, target)}>
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
  const { answer, problem } = useRuns(fetchRuns, ({ runs }) => runs.some((run) => run.state === "running"));
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
          <DataTable title="Runs" columns={COLUMNS}>
            {answer.runs.map((run) => (
              <Row key={run.id} run={run} />
            ))}
          </DataTable>
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
