import "./styles/later.css";
import "./styles/pages.css";
import "./styles/questions.css";
import "./styles/records.css";
import { computed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { countText, momentText } from "../model/format.ts";
import { recordsCsv, recordsCurl, recordsFileName, recordsJsonLines } from "../model/record_export.ts";
import { ApiError } from "../store/api.ts";
import { CopyButtons } from "./copy_buttons.tsx";
import { download } from "./files.ts";
import { RecordDetail } from "./record_detail.tsx";
import { RecordEmpty } from "./record_empty.tsx";
import { RecordFilters } from "./record_filters.tsx";
import { collect, leftFor, list, loadFirst, loadMore, MAX_DOWNLOAD, nameOfFilters, tryAgain } from "./record_list_state.ts";
import { RecordTable } from "./record_rows.tsx";
import { link, prefs, route, serverNow } from "./state.ts";

const RETRY_MS = 10_000;
const SKELETON_ROWS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const FORMATS = {
  csv: { type: "text/csv", write: recordsCsv },
  jsonl: { type: "application/x-ndjson", write: recordsJsonLines },
} as const;

/** Takes the whole answer along, not only what is on the screen. */
function TakeAlong() {
  const said = useSignal("");
  const busy = useSignal(false);
  const { filters } = route.value;
  const save = async (extension: keyof typeof FORMATS): Promise<void> => {
    busy.value = true;
    try {
      const { records, cut } = await collect(filters, (count) => (said.value = `${countText(count)} records …`));
      const { type, write } = FORMATS[extension];
      download(recordsFileName(filters, extension), type, write(records));
      said.value = `${countText(records.length)} records saved${cut ? `, the newest ones; a file holds at most ${countText(MAX_DOWNLOAD)}` : ""}.`;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      said.value = `Not saved. ${error.message}`;
    } finally {
      busy.value = false;
    }
  };
  return (
    <div class="take-along">
      <span class="take-along-said muted" role="status">
        {said.value}
      </span>
      <button type="button" class="link-button" disabled={busy.value} onClick={() => void save("csv")}>
        CSV
      </button>
      <button type="button" class="link-button" disabled={busy.value} onClick={() => void save("jsonl")}>
        JSON lines
      </button>
      <CopyButtons curl={() => recordsCurl(location.origin, filters, serverNow.peek())} said={said} />
    </div>
  );
}

/** A question that got no answer is asked again, unless older records on the screen would go with it. */
function useRetry(isWaiting: boolean): void {
  const { problem, busy } = list.value;
  useEffect(() => {
    if (!isWaiting || problem === null || busy !== null) return undefined;
    const timer = setTimeout(() => void loadFirst(route.peek().filters), RETRY_MS);
    return () => clearTimeout(timer);
  }, [isWaiting, problem, busy]);
}

/** j and k lead into the list from anywhere on the page; inside, the list's own keys go on. */
function useListKeys(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !prefs.peek().keys || !(event.key === "j" || event.key === "k")) return;
      if (event.target instanceof HTMLElement && event.target.closest("input, select, textarea, dialog, .records") !== null) return;
      document.querySelector<HTMLElement>(".record-title")?.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

/** Whoever comes back from a record finds the list where it was left. */
function useReturn(): void {
  useEffect(() => {
    const id = leftFor.peek();
    leftFor.value = null;
    if (id === null) return;
    const title = document.querySelector<HTMLElement>(`.record-title[data-id="${CSS.escape(id)}"]`);
    title?.scrollIntoView({ block: "center" });
    title?.focus({ preventScroll: true });
  }, []);
}

function Problem() {
  const { problem, loadedAt, records } = list.value;
  if (problem === null) return null;
  return (
    <p class="tone-warn page-problem" role="status">
      ◆ {problem} {records.length > 0 && loadedAt !== null && `What is shown is from ${momentText(loadedAt, prefs.value.zone)}. `}
      <button type="button" class="link-button" onClick={() => void tryAgain(route.value.filters)}>
        Try again
      </button>
    </p>
  );
}

/** True when the server took something in after the list was read, and the list could show it. */
const hasNewer = computed(() => {
  const newest = link.value.heartbeat?.newestIngestAt ?? null;
  const { newestIngestAt } = list.value;
  return newest !== null && newestIngestAt !== null && newest > newestIngestAt && route.value.filters.to === undefined;
});

function Foot({ isOther }: { isOther: boolean }) {
  const { nextCursor, busy, records } = list.value;
  if (nextCursor === null) return <p class="records-end muted">That is all: {countText(records.length)} {records.length === 1 ? "record" : "records"}.</p>;
  return (
    <p class="records-end">
      <button type="button" class="button" disabled={busy !== null || isOther} onClick={() => void loadMore(route.value.filters)}>
        {busy === "more" ? "Loading …" : records.length === 0 ? "Search further back" : "Older records"}
      </button>
      <span class="muted">{countText(records.length)} shown</span>
    </p>
  );
}

function Listing() {
  const { filters } = route.value;
  const name = nameOfFilters(filters);
  const { records, nextCursor, busy, problem, loadedAt } = list.value;
  const isOther = list.value.name !== name;
  useEffect(() => {
    // The list of the way back is shown as it was; another question is asked, in place of one that is under way.
    const shown = list.peek();
    if (shown.name !== name || shown.failed === "first" || shown.busy === "first") void loadFirst(filters);
  }, [name]);
  useRetry(loadedAt === null || isOther);
  useListKeys();
  useReturn();
  const empty = records.length === 0 && nextCursor === null && !isOther && busy === null && problem === null;
  return (
    <main class="page records-page" id="main" tabIndex={-1}>
      <div class="page-head">
        <h1>Records</h1>
        <TakeAlong />
      </div>
      <RecordFilters />
      <Problem />
      <section class="panel records-panel" aria-label="Records">
        {busy === null && problem === null && hasNewer.value && (
          <button type="button" class="records-newer" onClick={() => void loadFirst(filters)}>
            Newer articles have been taken in. Look again
          </button>
        )}
        {loadedAt === null && problem === null ? (
          <div role="status" aria-label="Loading records">
            {SKELETON_ROWS.map((row) => (
              <div key={row} class="skeleton record-skeleton" aria-hidden="true" />
            ))}
          </div>
        ) : loadedAt === null ? (
          <div class="nothing">
            <h2>The records could not be loaded</h2>
            <p>They appear here when the server answers again.</p>
          </div>
        ) : empty ? (
          <RecordEmpty filters={filters} />
        ) : (
          <>
            <RecordTable records={records} stale={problem !== null || busy === "first" || isOther} />
            <Foot isOther={isOther} />
          </>
        )}
      </section>
    </main>
  );
}

export function RecordsPage() {
  const { id } = route.value;
  return id === null ? <Listing /> : <RecordDetail key={id} id={id} />;
}
