import "./styles/pages.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ageText, countText, latencyText, momentText } from "../model/format.ts";
import { lagNow } from "../model/health.ts";
import { decimalText } from "../model/share.ts";
import type { SourceRow, StageRow, StatusAnswer, WatermarkRow } from "../model/status.ts";
import { ms, type Ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchStatus } from "../store/status_api.ts";
import { TablePanel } from "./data_table.tsx";
import { Stat } from "./stat.tsx";
import { health, link, prefs, serverNow } from "./state.ts";

const REFRESH_MS = 5_000;

/** What each count means. Whether they add up to what was received, `candlewick drain` tells: nobody serves that here. */
const COUNTS: Record<string, { readonly label: string; readonly note: string; readonly expectZero: boolean }> = {
  articles: { label: "Articles", note: "stored", expectZero: false },
  counted: { label: "Counted", note: "in a candle, since the start", expectZero: false },
  duplicates: { label: "Duplicates", note: "arrived again, counted once", expectZero: false },
  too_late: { label: "Too late", note: "set aside in the lake", expectZero: false },
  quarantined: { label: "Quarantined", note: "set aside with a reason", expectZero: true },
};

function Count({ name, value }: { name: string; value: number }) {
  const known = COUNTS[name];
  const warn = known?.expectZero === true && value > 0;
  return <Stat name={known?.label ?? name.replaceAll("_", " ")} value={countText(value)} note={known?.note ?? ""} warn={warn} />;
}

/** States of a source that need nobody: it works, it was switched off, it waits for its key or its turn. */
const QUIET_STATES: ReadonlySet<string> = new Set(["healthy", "paused", "no key", "waiting", "new"]);

function Source({ row }: { row: SourceRow }) {
  const works = row.state === "healthy";
  const bad = !QUIET_STATES.has(row.state);
  return (
    <tr>
      <th scope="row">{row.name}</th>
      <td class={bad ? "tone-warn" : works ? "tone-positive" : "muted"}>
        <span aria-hidden="true">{bad ? "◆" : works ? "●" : "○"}</span> {row.state}
        {row.error !== null && <span class="cell-error">{row.error}</span>}
      </td>
      <td>{row.lastSuccessAt === null ? "never" : `${ageText(ms(serverNow.value - row.lastSuccessAt))} ago`}</td>
      <td class="number">{row.articlesPerHour === null ? "—" : countText(Math.round(row.articlesPerHour))}</td>
    </tr>
  );
}

function Stage({ row }: { row: StageRow }) {
  return (
    <tr>
      <th scope="row">{row.name}</th>
      <td class={row.error === null ? undefined : "tone-warn"}>
        {row.error !== null && <span aria-hidden="true">◆ </span>}
        {row.state}
        {row.error !== null && <span class="cell-error">{row.error}</span>}
      </td>
      <td>{row.behind === null ? "—" : latencyText(row.behind)}</td>
      <td class={row.failed > 0 ? "number tone-warn" : "number"}>{countText(row.failed)}</td>
      <td class={row.discarded > 0 ? "number tone-warn" : "number"}>{countText(row.discarded)}</td>
    </tr>
  );
}

function Watermark({ row }: { row: WatermarkRow }) {
  return (
    <tr>
      <th scope="row">{row.shard}</th>
      <td>{row.at === null ? "none yet" : momentText(row.at, prefs.value.zone)}</td>
      <td>{row.newestEventAt === null ? "none yet" : `${ageText(ms(serverNow.value - row.newestEventAt))} ago`}</td>
    </tr>
  );
}

/** What an article costs in writes, since this process began. */
function Effort({ status }: { status: StatusAnswer }) {
  const { bucketWritesPerArticle, usdPerThousandArticles, revised, repairs } = status.effort;
  if (bucketWritesPerArticle === null || usdPerThousandArticles === null) return null;
  const usd = usdPerThousandArticles.toLocaleString(undefined, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
  return (
    <p class="muted">
      {decimalText(bucketWritesPerArticle, 1)} bucket writes an article: {usd} for a thousand articles in DynamoDB writes. {countText(revised)}{" "}
      final candles revised by late news.{" "}
      {repairs > 0 && <span class="tone-warn">◆ {countText(repairs)} candles had to be repaired.</span>}
    </p>
  );
}

function Flow({ status }: { status: StatusAnswer }) {
  const { heartbeat } = link.value;
  const lag = lagNow(status.lag === null && heartbeat !== null ? heartbeat : status, serverNow.value);
  return (
    <section class="panel ops-panel" aria-label="Flow">
      <h2>Flow</h2>
      <dl class="stats">
        <Stat name="Behind the news" value={lag === null ? "—" : latencyText(lag)} note={lag === null ? "no news within a minute" : "from arrival to candle"} />
        <Stat name="Stream" value={health.value.label} note={heartbeat?.connections == null ? "this page" : `${countText(heartbeat.connections)} connected`} />
        {status.counts.map(([name, value]) => (
          <Count key={name} name={name} value={value} />
        ))}
      </dl>
      <Effort status={status} />
    </section>
  );
}

function useStatus(): { status: StatusAnswer | null; at: Ms | null; problem: string | null } {
  const status = useSignal<StatusAnswer | null>(null);
  const at = useSignal<Ms | null>(null);
  const problem = useSignal<string | null>(null);
  useEffect(() => {
    let asking = false;
    const load = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      try {
        status.value = await fetchStatus();
        at.value = ms(Date.now());
        problem.value = null;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        problem.value = error.message;
      } finally {
        asking = false;
      }
    };
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  return { status: status.value, at: at.value, problem: problem.value };
}

export function OpsPage() {
  const { status, at, problem } = useStatus();
  return (
    <main class="page ops-page" id="main" tabIndex={-1}>
      <div class="page-head">
        <h1>Operations</h1>
        {problem !== null && (
          <p class="tone-warn" role="status">
            ◆ {problem} {at !== null && `What is shown is from ${momentText(at, prefs.value.zone)}.`}
          </p>
        )}
      </div>
      {status === null ? (
        problem === null && <div class="panel skeleton ops-skeleton" role="status" aria-label="Loading" />
      ) : (
        <div class={`ops${problem === null ? "" : " stale"}`}>
          <Flow status={status} />
          {status.stages.length > 0 && (
            <TablePanel title="Stages" columns={["Stage", "State", "Iterator age", "Failed batches", "Given up"]}>
              {status.stages.map((row) => (
                <Stage key={row.name} row={row} />
              ))}
            </TablePanel>
          )}
          <TablePanel title="Sources" columns={["Source", "State", "Last success", "Articles per hour"]}>
            {status.sources.map((row) => (
              <Source key={row.name} row={row} />
            ))}
            {status.sources.length === 0 && (
              <tr>
                <td class="muted" colSpan={4}>
                  No source is configured; {status.demo ? "the recorded news plays instead." : "add one to see news."}
                </td>
              </tr>
            )}
          </TablePanel>
          <TablePanel title="Watermarks" columns={["Shard", "Complete up to", "Newest event"]}>
            {status.watermarks.map((row) => (
              <Watermark key={row.shard} row={row} />
            ))}
          </TablePanel>
        </div>
      )}
    </main>
  );
}
