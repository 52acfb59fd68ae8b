import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Bucket } from "../model/bucket.ts";
import { ageText, scoreText } from "../model/format.ts";
import { newestBegun } from "../model/series.ts";
import { seriesKey, shortName, type Subject } from "../model/subject.ts";
import { seriesOf } from "../model/sync.ts";
import { ms } from "../model/units.ts";
import { toneOf } from "../view/painters.ts";
import type { SparklineProps } from "./sparkline.tsx";
import { CloseIcon } from "./icons.tsx";
import { LabelMark } from "./label_mark.tsx";
import { loadCode } from "./code.ts";
import { selectSubject } from "./navigation.ts";
import { Lazy } from "./lazy.tsx";
import { headlines, nameOf, resolution, selected, serverNow, subjects, sync, toldAt, watched } from "./state.ts";

const loadHeadlines = (): Promise<ComponentType> => import("./headlines.tsx").then((module) => module.Headlines);
const loadSparkline = (): Promise<ComponentType<SparklineProps>> => import("./sparkline.tsx").then((module) => module.Sparkline);
const loadEdits = (): Promise<typeof import("./watch_edits.ts")> => import("./watch_edits.ts");
const move = (subject: Subject, to: number): void => void loadCode(loadEdits).then(({ moveWatched }) => moveWatched(subject, to));
const loadAddSubject = (): Promise<ComponentType> => import("./add_subject.tsx").then((module) => module.AddSubject);

function Score({ bucket }: { bucket: Bucket | undefined }) {
  if (bucket === undefined) return <span class="watch-score muted">—</span>;
  const tone = toneOf(bucket);
  return (
    <span class={`watch-score tone-${tone}`}>
      <LabelMark label={tone} />
      {scoreText(bucket.close)}
    </span>
  );
}

/** When the newest article was published. A candle's own time is when it was written, which a replay does anew. */
export function lastSeen(subject: Subject, bucket: Bucket | undefined): string {
  const row = subjects.value?.subjects.find((candidate) => candidate.subject === subject);
  const at = Math.max(row?.lastEventAt ?? bucket?.start ?? 0, toldAt.value[subject] ?? 0);
  return at === 0 ? "no news yet" : `${ageText(ms(serverNow.value - at))} ago`;
}

/** The row that gets the focus once the list is drawn anew: a browser takes it from a row that moves or goes. */
let focusNext: Subject | null = null;

/** Moves a row with the keyboard: what dragging does for those who cannot drag. */
function onRowKey(event: KeyboardEvent, subject: Subject, index: number): void {
  const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
  if (step === 0 || !event.altKey) return;
  event.preventDefault();
  const to = index + step;
  if (watched.value[to] === undefined) return;
  focusNext = subject;
  move(subject, to);
}

function remove(subject: Subject, index: number): void {
  focusNext = watched.value[index + 1] ?? watched.value[index - 1] ?? null;
  void loadCode(loadEdits).then(({ unwatch }) => unwatch(subject));
}

function WatchRow({ subject, index }: { subject: Subject; index: number }) {
  const { buckets } = seriesOf(sync.value, seriesKey(subject, resolution.value));
  const newest = newestBegun(buckets, serverNow.value);
  const over = useSignal(false);
  const takeFocus = (row: HTMLButtonElement | null): void => {
    if (row === null || focusNext !== subject) return;
    focusNext = null;
    row.focus();
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    over.value = false;
    const dropped = event.dataTransfer?.getData("text/plain");
    const moved = watched.value.find((item) => item === dropped);
    if (moved !== undefined) move(moved, index);
  };
  return (
    <li
      class={`watch-item${over.value ? " drop-target" : ""}`}
      draggable
      onDragStart={(event) => event.dataTransfer?.setData("text/plain", subject)}
      onDragOver={(event) => {
        event.preventDefault();
        over.value = true;
      }}
      onDragLeave={() => (over.value = false)}
      onDrop={drop}
    >
      <button
        ref={takeFocus}
        type="button"
        class="watch-row"
        aria-current={selected.value === subject ? "true" : undefined}
        onClick={() => selectSubject(subject)}
        onKeyDown={(event) => onRowKey(event, subject, index)}
        title="Alt + arrow keys move the row"
      >
        <span class="watch-name">{shortName(subject)}</span>
        <Score bucket={newest} />
        <span class="watch-age">{lastSeen(subject, newest)}</span>
        <Lazy load={loadSparkline} props={{ buckets, tone: newest === undefined ? "neutral" : toneOf(newest) }}>
          <span class="spark skeleton" aria-hidden="true" />
        </Lazy>
      </button>
      {watched.value.length > 1 && (
        <button type="button" class="watch-remove icon-button" aria-label={`Stop watching ${nameOf(subject)}`} onClick={() => remove(subject, index)}>
          <CloseIcon />
        </button>
      )}
    </li>
  );
}

export function WatchList() {
  const loading = watched.value.length === 0 && subjects.value === null;
  return (
    <aside class="rail panel" aria-label="Watched subjects">
      <h2 class="panel-title">Watching</h2>
      <ul class="watch-list">
        {loading
          ? [0, 1, 2, 3].map((i) => <li key={i} class="watch-item skeleton watch-skeleton" aria-hidden="true" />)
          : watched.value.map((subject, i) => <WatchRow key={subject} subject={subject} index={i} />)}
      </ul>
      <Lazy load={loadAddSubject}>
        <div class="add-subject-space" />
      </Lazy>
      {headlines.value.length > 0 && <Lazy load={loadHeadlines} />}
    </aside>
  );
}
