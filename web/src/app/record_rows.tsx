import { dateText, latencyText, momentText, secondsText, type Zone } from "../model/format.ts";
import type { ArticleRecord } from "../model/record.ts";
import { formatRoute } from "../model/route.ts";
import { shortName } from "../model/subject.ts";
import { DAY, type Ms, ms } from "../model/units.ts";
import { ArticleScore } from "./article_score.tsx";
import { follow } from "./page_link.tsx";
import { prefs, route, serverNow } from "./state.ts";

/** How many subjects a row names before it counts the rest. */
const SUBJECTS_SHOWN = 4;

/** Today by the second, older news with its date. */
export function timeText(at: Ms, now: Ms, zone: Zone): string {
  const today = Math.abs(now - at) < DAY && dateText(at, zone) === dateText(now, zone);
  return today ? secondsText(at, zone) : momentText(at, zone);
}

function Row({ record, now }: { record: ArticleRecord; now: Ms }) {
  const { zone } = prefs.value;
  const target = { ...route.value, page: "records", id: record.id } as const;
  const { publishedAt, scoredAt, ingestedAt, subjects } = record;
  const reached = scoredAt ?? ingestedAt;
  const more = subjects.length - SUBJECTS_SHOWN;
  return (
    <tr class="record">
      <td class="record-time">{publishedAt === null ? "—" : <time dateTime={new Date(publishedAt).toISOString()}>{timeText(publishedAt, now, zone)}</time>}</td>
      <td class="record-score">
        <ArticleScore {...record} />
      </td>
      <td class="record-what">
        <a class="record-title" data-id={record.id} href={formatRoute(target)} onClick={(event) => follow(event, target)} dir="auto">
          {record.title || "(no headline)"}
        </a>
        <span class="record-from" dir="auto">
          {record.publisher}
          {record.source !== record.publisher && ` via ${record.source}`}
          {record.alsoTold.length > 0 && ` · told by ${record.alsoTold.length} more`}
        </span>
      </td>
      <td class="record-subjects">
        {subjects.slice(0, SUBJECTS_SHOWN).map((subject) => (
          <span key={subject} class="chip">
            {shortName(subject)}
          </span>
        ))}
        {more > 0 && <span class="muted"> +{more}</span>}
      </td>
      <td class="record-delay">{publishedAt === null || reached === null ? "—" : latencyText(ms(Math.max(0, reached - publishedAt)))}</td>
    </tr>
  );
}

/** Arrow keys, Home and End go from headline to headline; Enter opens, as on any link. */
function onKey(event: KeyboardEvent): void {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  const edge = event.key === "Home" || event.key === "End";
  if ((step === undefined && !edge) || event.ctrlKey || event.metaKey || event.altKey) return;
  const titles = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(".record-title")];
  const at = titles.indexOf(document.activeElement as HTMLElement);
  const next = edge ? (event.key === "Home" ? 0 : titles.length - 1) : at + (step ?? 0);
  event.preventDefault();
  titles[Math.max(0, Math.min(titles.length - 1, next))]?.focus();
}

export function RecordTable({ records, stale }: { records: readonly ArticleRecord[]; stale: boolean }) {
  // Rows are drawn against one now; the second hand must not redraw a thousand rows.
  const now = serverNow.peek();
  return (
    <table class={`records${stale ? " stale" : ""}`} onKeyDown={onKey} aria-busy={stale}>
      <caption class="visually-hidden">Records, newest first. Arrow keys go from one to the next.</caption>
      <thead>
        <tr>
          <th scope="col" title="The list is in the order in which the articles were taken in">Published</th>
          <th scope="col">Score</th>
          <th scope="col">Headline</th>
          <th scope="col">Subjects</th>
          <th scope="col" class="record-delay" title="From publication until it was scored">Delay</th>
        </tr>
      </thead>
      <tbody>
        {records.map((record) => (
          <Row key={record.id} record={record} now={now} />
        ))}
      </tbody>
    </table>
  );
}
