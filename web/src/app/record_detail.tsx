import "./styles/later.css";
import "./styles/record.css";
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { momentText } from "../model/format.ts";
import type { ArticleRecord, FedRow } from "../model/record.ts";
import { recordCurl } from "../model/record_export.ts";
import { formatRoute } from "../model/route.ts";
import { shareText } from "../model/share.ts";
import { shortName } from "../model/subject.ts";
import { type Ms, ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchFedRows, fetchRecord } from "../store/records_api.ts";
import { ArticleScore } from "./article_score.tsx";
import { copy } from "./files.ts";
import { go } from "./navigation.ts";
import { follow } from "./page_link.tsx";
import { RecordCandles } from "./record_candles.tsx";
import { leftFor, list } from "./record_list_state.ts";
import { RecordTimeline } from "./record_timeline.tsx";
import { firstShown, instant } from "./shown.ts";
import { prefs, route, serverNow } from "./state.ts";

interface Loaded {
  readonly record: ArticleRecord | null;
  readonly fed: readonly FedRow[] | null;
  readonly shownAt: Ms | null;
  readonly gone: boolean;
  readonly problem: string | null;
}

/** When the stream first brought one of the article's events to this page; null when it did not. */
function streamedAt(id: string): Ms | null {
  const times = [...firstShown].flatMap(([eventId, at]) => (eventId.startsWith(`${id}@`) ? [at] : []));
  return times.length === 0 ? null : ms(Math.min(...times));
}

/** The list may hold the article already; it is shown at once and then asked for in full. */
function useRecord(id: string): { loaded: Loaded; load: () => void } {
  const known = list.peek().records.find((record) => record.id === id) ?? null;
  const loaded = useSignal<Loaded>({ record: known, fed: null, shownAt: known === null ? null : (streamedAt(id) ?? instant()), gone: false, problem: null });
  const tries = useSignal(0);
  useEffect(() => {
    const abort = new AbortController();
    const take = (change: Partial<Loaded>): void => void (loaded.value = { ...loaded.peek(), ...change });
    /** Either part is shown without the other. */
    const load = async (part: Promise<Partial<Loaded>>): Promise<void> => {
      try {
        const found = await part;
        if (!abort.signal.aborted) take(found);
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        take(error.status === 404 ? { gone: true } : { problem: error.message });
      }
    };
    take({ gone: false, problem: null });
    void load(fetchRecord(id, abort.signal).then((record) => ({ record, shownAt: loaded.peek().shownAt ?? streamedAt(id) ?? instant() })));
    void load(fetchFedRows(id, abort.signal).then((fed) => ({ fed })));
    return () => abort.abort();
  }, [id, tries.value]);
  return { loaded: loaded.value, load: () => (tries.value += 1) };
}

function BackLink() {
  const target = { ...route.value, id: null };
  return (
    <a class="back-link" href={formatRoute(target)} onClick={(event) => follow(event, target)}>
      <span aria-hidden="true">‹ </span>All records
    </a>
  );
}

/** To the neighbours in the list the reader came from. */
function Steps({ id }: { id: string }) {
  const { records } = list.value;
  const at = records.findIndex((record) => record.id === id);
  const step = (by: number): void => {
    const next = at < 0 ? undefined : records[at + by];
    if (next !== undefined) go({ page: "records", id: next.id }, "replace");
  };
  useLayoutEffect(() => {  // who sees the record can step on: not a frame later
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !prefs.peek().keys) return;
      if (event.target instanceof HTMLElement && event.target.closest("input, select, textarea, dialog") !== null) return;
      if (event.key === "j") step(1);
      if (event.key === "k") step(-1);
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
  if (at < 0) return null;
  return (
    <span class="record-steps">
      <button type="button" class="icon-button" aria-label="Newer record" title="Newer record (key k)" disabled={at === 0} onClick={() => step(-1)}>
        ‹
      </button>
      <span class="muted">
        {at + 1} of {records.length}
      </span>
      <button type="button" class="icon-button" aria-label="Older record" title="Older record (key j)" disabled={at === records.length - 1} onClick={() => step(1)}>
        ›
      </button>
    </span>
  );
}

function Article({ record }: { record: ArticleRecord }) {
  const { url, publishedAt } = record;
  const title = record.title || "(no headline)";
  const told = [...new Set(record.alsoTold.map(({ source }) => source))];
  return (
    <section class="panel record-article" aria-label="Article">
      <p class="record-byline" dir="auto">
        <strong>{record.publisher}</strong>
        {record.author !== "" && ` · ${record.author}`}
        {record.source !== record.publisher && ` · via ${record.source}`}
        {publishedAt !== null && (
          <>
            {" · "}
            <time dateTime={new Date(publishedAt).toISOString()}>{momentText(publishedAt, prefs.value.zone)}</time>
          </>
        )}
      </p>
      <h1 dir="auto">
        {url === null ? title : (
          <a href={url} target="_blank" rel="noopener noreferrer nofollow">
            {title}
          </a>
        )}
      </h1>
      {record.snippet !== "" && <p class="record-snippet" dir="auto">{record.snippet}</p>}
      <dl class="record-facts">
        <div>
          <dt>Score</dt>
          <dd class="record-fact-score">
            <ArticleScore {...record} />
          </dd>
        </div>
        <div>
          <dt>Label</dt>
          <dd>{record.label ?? "not scored"}</dd>
        </div>
        <div>
          <dt>Confidence</dt>
          <dd>{record.confidence === null ? "—" : shareText(record.confidence)}</dd>
        </div>
        <div>
          <dt>Model</dt>
          <dd class="break">{record.model || "—"}</dd>
        </div>
        {told.length > 0 && (
          <div>
            <dt>Also told by</dt>
            <dd>{told.join(", ")}</dd>
          </div>
        )}
      </dl>
      <p class="record-chips">
        {record.subjects.map((subject) => {
          const target = { ...route.value, page: "live", id: null, subject, at: null } as const;
          return (
            <a key={subject} class="chip chip-link" href={formatRoute(target)} onClick={(event) => follow(event, target)}>
              {shortName(subject)}
            </a>
          );
        })}
      </p>
    </section>
  );
}

function RawJson({ record }: { record: ArticleRecord }) {
  const said = useSignal("");
  const text = JSON.stringify(record.json, null, 2);
  const say = (what: string) => void copy(what).then((result) => (said.value = result));
  return (
    <section class="panel record-json" aria-label="Raw record">
      <div class="panel-head">
        <h2>As the API answers it</h2>
        <span class="panel-head-tools">
          <span class="muted" role="status">
            {said.value}
          </span>
          <button type="button" class="link-button" onClick={() => say(text)}>
            Copy
          </button>
          <button type="button" class="link-button" onClick={() => say(recordCurl(location.origin, record.id))}>
            Copy as curl
          </button>
        </span>
      </div>
      <pre tabIndex={0} aria-label="JSON">{text}</pre>
    </section>
  );
}

export function RecordDetail({ id }: { id: string }) {
  const { loaded, load } = useRecord(id);
  const { record, fed, shownAt, gone, problem } = loaded;
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    // Another page begins at its top, for the eye and for the keyboard; the list finds its row again on the way back.
    leftFor.value = id;
    main.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  return (
    <main ref={main} class={`page record-page${problem === null ? "" : " has-problem"}`} id="main" tabIndex={-1}>
      <div class="record-head">
        <BackLink />
        <Steps id={id} />
      </div>
      {problem !== null && (
        <p class="tone-warn page-problem" role="status">
          ◆ {problem} {record !== null && "What is shown is the last that is known. "}
          <button type="button" class="link-button" onClick={load}>
            Try again
          </button>
        </p>
      )}
      {gone && record !== null && (
        <p class="tone-warn page-problem" role="status">
          ◆ This record is no longer kept. What is shown is the last that is known.
        </p>
      )}
      {gone && record === null ? (
        <div class="panel nothing">
          <h1>There is no such record</h1>
          <p>It may be older than what is kept, or the address is not complete.</p>
        </div>
      ) : record === null ? (
        problem === null && <div class="panel skeleton record-detail-skeleton" role="status" aria-label="Loading the record" />
      ) : (
        <div class={`record-columns${problem === null ? "" : " stale"}`}>
          <div class="record-main">
            <Article record={record} />
            <RecordCandles record={record} fed={fed} missing={gone || problem !== null} />
          </div>
          <div class="record-side">
            <RecordTimeline record={record} fed={fed} shownAt={shownAt ?? serverNow.peek()} />
            <RawJson record={record} />
          </div>
        </div>
      )}
    </main>
  );
}
