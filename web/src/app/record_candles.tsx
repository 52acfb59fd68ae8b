import type { Role } from "../model/article.ts";
import type { Bucket } from "../model/bucket.ts";
import { articlesText, countText, scoreText, windowText } from "../model/format.ts";
import type { ArticleRecord, Fed, FedRow } from "../model/record.ts";
import { RESOLUTIONS } from "../model/resolution.ts";
import { formatRoute } from "../model/route.ts";
import { shortName, type Subject } from "../model/subject.ts";
import { follow } from "./page_link.tsx";
import { prefs, route } from "./state.ts";

const ROLE_LETTERS: Record<Role, string> = { open: "O", high: "H", low: "L", close: "C" };

/** Whether it closed above or below where it opened. */
function moveMark({ open, close }: Bucket): string {
  if (close > open) return "▲";
  return close < open ? "▼" : "◆";
}

/** One candle: its close, how many articles share it, and what this one made of it. Leads to the candle. */
function Candle({ subject, fed }: { subject: Subject; fed: Fed | undefined }) {
  if (fed === undefined || fed.bucket === null) return <span class="muted">none</span>;
  const { bucket, roles, resolution } = fed;
  const target = { ...route.value, page: "live", id: null, subject, resolution, at: fed.start } as const;
  const text = `${windowText(fed.start, fed.end, prefs.value.zone)}: ${articlesText(bucket.count)}${roles.length === 0 ? "" : `, this article made ${roles.join(", ")}`}`;
  return (
    <a class="fed" href={formatRoute(target)} onClick={(event) => follow(event, target)} title={text}>
      <span class="visually-hidden">
        {shortName(subject)}, {resolution},{" "}
      </span>
      <span class="fed-close">
        <span class="mark" aria-hidden="true">{moveMark(bucket)}</span>
        {scoreText(bucket.close)}
      </span>
      <span class="fed-note">
        n {countText(bucket.count)}
        {roles.map((role) => (
          <abbr key={role} class="fed-role" title={role}>
            {ROLE_LETTERS[role]}
          </abbr>
        ))}
      </span>
    </a>
  );
}

function Row({ row }: { row: FedRow }) {
  return (
    <tr>
      <th scope="row">{shortName(row.subject)}</th>
      {row.counted === false ? (
        <td colSpan={RESOLUTIONS.length} class="muted">
          Not counted: it came too late, or the same story was counted before.
        </td>
      ) : (
        RESOLUTIONS.map(({ id }) => (
          <td key={id}>
            <Candle subject={row.subject} fed={row.candles.find((candle) => candle.resolution === id)} />
          </td>
        ))
      )}
    </tr>
  );
}

/** `missing`: the candles were asked for and did not come. */
export function RecordCandles({ record, fed, missing }: { record: ArticleRecord; fed: readonly FedRow[] | null; missing: boolean }) {
  const unknown = fed?.some((row) => row.counted === null) === true;
  return (
    <section class="panel record-candles" aria-label="Candles it fed">
      <h2>Candles it fed</h2>
      {record.subjects.length === 0 ? (
        <p class="panel-note">No ticker and no tag was recognised in it, so it is in no candle.</p>
      ) : fed === null && missing ? (
        <p class="panel-note">The candles could not be loaded.</p>
      ) : fed === null ? (
        <div class="skeleton record-candles-skeleton" role="status" aria-label="Loading the candles" />
      ) : (
        <>
          <div class="table-scroll" tabIndex={0} role="region" aria-label="Candles by subject and resolution">
            <table>
              <thead>
                <tr>
                  <th scope="col">Subject</th>
                  {RESOLUTIONS.map(({ id, spoken }) => (
                    <th key={id} scope="col">
                      <abbr title={spoken}>{id}</abbr>
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {fed.map((row) => (
                  <Row key={row.subject} row={row} />
                ))}
              </tbody>
            </table>
          </div>
          <p class="panel-note record-candles-key">
            Closing score and number of articles. <span class="fed-role">O</span> <span class="fed-role">H</span> <span class="fed-role">L</span>{" "}
            <span class="fed-role">C</span> where this article is the open, high, low or close.
            {unknown && " Whether it was counted everywhere cannot be told: it is still on its way, or a minute is no longer stored."}
          </p>
        </>
      )}
    </section>
  );
}
