import "./styles/later.css";
import "./styles/why.css";
import { useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Article, ArticlesAnswer } from "../model/article.ts";
import { type Bucket, LABELS } from "../model/bucket.ts";
import { isRevised, labelMark } from "../model/candle_text.ts";
import { articlesText, countText, latencyText, secondsText, windowText } from "../model/format.ts";
import { DAY, type Ms, ms } from "../model/units.ts";
import { ArticleScore } from "./article_score.tsx";
import { CandleArticles, FIRST_SHOWN } from "./candle_articles.ts";
import { ExportBar } from "./export_bar.tsx";
import { selectCandle } from "./navigation.ts";
import { MissingNote, useOlderSelected } from "./older_candles.tsx";
import { focus, link, prefs, route, selectedKey, selectedSeries, serverNow, sync } from "./state.ts";
import { stepCandle } from "./stepping.ts";

/** The names of the candle's four points, in the words a reader sees on the chart. */
const ROLE_TEXT = { open: "Open", high: "High", low: "Low", close: "Close" } as const;

function Latency({ article }: { article: Article }) {
  const { publishedAt, ingestedAt, scoredAt } = article;
  const reached = scoredAt ?? ingestedAt;
  if (publishedAt === null || reached === null) return null;
  const steps = [
    `published ${secondsText(publishedAt, prefs.value.zone)}`,
    ...(ingestedAt === null ? [] : [`taken in ${secondsText(ingestedAt, prefs.value.zone)}`]),
    ...(scoredAt === null ? [] : [`scored ${secondsText(scoredAt, prefs.value.zone)}`]),
  ];
  return <span title={steps.join(", ")}>{latencyText(ms(Math.max(0, reached - publishedAt)))} later</span>;
}

function ArticleRow({ article }: { article: Article }) {
  const { url, title, publishedAt } = article;
  const text = title === "" ? "(no headline)" : title;
  return (
    <li class="article">
      <div class="article-score">
        <ArticleScore {...article} />
      </div>
      <div class="article-body">
        <p class="article-title" dir="auto">
          {url === null ? text : (
            <a href={url} target="_blank" rel="noopener noreferrer nofollow">
              {text}
            </a>
          )}
        </p>
        <p class="article-meta">
          {article.roles.map((role) => (
            <span key={role} class={`role role-${role}`}>
              {ROLE_TEXT[role]}
            </span>
          ))}
          <span dir="auto">{article.publisher || article.source}</span>
          {article.publisher !== "" && article.publisher !== article.source && <span>via {article.source}</span>}
          {publishedAt !== null && <time dateTime={new Date(publishedAt).toISOString()}>{secondsText(publishedAt, prefs.value.zone)}</time>}
          <Latency article={article} />
        </p>
      </div>
    </li>
  );
}

function LabelBar({ bucket }: { bucket: Bucket }) {
  const total = Math.max(1, bucket.positive + bucket.neutral + bucket.negative);
  let left = 0;
  return (
    <div class="label-mix">
      <svg class="label-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {LABELS.map((label) => {
          const width = (100 * bucket[label]) / total;
          const x = left;
          left += width;
          return <rect key={label} class={`fill-${label}`} x={x} y="0" width={Math.max(0, width - (width < 100 ? 0.6 : 0))} height="4" />;
        })}
      </svg>
      <p class="label-counts">
        {LABELS.map((label) => (
          <span key={label} class={`tone-${label}`}>
            <span aria-hidden="true">{labelMark(label)} </span>
            {countText(bucket[label])} {label}
          </span>
        ))}
      </p>
    </div>
  );
}

/** The articles of the candle in focus, kept up with its revisions; another generation's are others. */
function useArticles(bucket: Bucket | null): CandleArticles | null {
  const key = selectedKey.value;
  const { generation, stale } = selectedSeries.value;
  const start = bucket?.start ?? null;
  const breaks = useComputed(() => sync.value.breaks).value;
  const open = useComputed(() => link.value.phase === "open" || link.value.phase === "polling").value;
  // Revisions of two generations cannot be compared: the same number may stand for other articles.
  const found = useMemo(() => (key === null || start === null ? null : new CandleArticles(key, start)), [key, start, generation]);
  useEffect(() => () => found?.stop(), [found]);
  useEffect(() => {
    // After a break of the stream they are asked for when the candle is certain again.
    if (!stale || found?.known.peek().answer === null) found?.ask(bucket?.count ?? 0);
  }, [found, bucket?.rev, breaks, stale]);
  useEffect(() => {
    if (open && found !== null && found.known.peek().problem !== null) found.ask(bucket?.count ?? 0);
  }, [found, open]);
  return found;
}

/** Articles are kept longer than a day, so those of a newer candle are still on their way. */
function NoArticles({ end, again }: { end: Ms; again: () => void }) {
  if (serverNow.peek() - end > DAY) return <p class="panel-note">The articles behind this candle are no longer stored; its numbers stand.</p>;
  return (
    <p class="panel-note">
      The articles behind this candle have not arrived yet; its numbers stand.{" "}
      <button type="button" class="link-button" onClick={again}>
        Try again
      </button>
    </p>
  );
}

function ArticleList({ answer, stale }: { answer: ArticlesAnswer; stale: boolean }) {
  const all = useSignal(false);
  const newestFirst = [...answer.articles].reverse();
  const shown = all.value ? newestFirst : newestFirst.slice(0, FIRST_SHOWN);
  return (
    <>
      <ul class={stale ? "articles stale" : "articles"}>
        {shown.map((article) => (
          <ArticleRow key={article.eventId} article={article} />
        ))}
      </ul>
      {answer.missing > 0 && <p class="panel-note">{articlesText(answer.missing)} more counted in this candle but not listed here.</p>}
      {shown.length < newestFirst.length && (
        <button type="button" class="button" onClick={() => (all.value = true)}>
          Show all {articlesText(newestFirst.length)}
        </button>
      )}
    </>
  );
}

function Articles({ found, bucket }: { found: CandleArticles; bucket: Bucket }) {
  const { answer, problem, arriving } = found.known.value;
  const again = (): void => found.ask(bucket.count);
  const waiting = answer === null || (answer.articles.length === 0 && arriving);
  return (
    <>
      {problem !== null && (
        <p class="panel-note" role="alert">
          The articles could not be loaded. {problem}{" "}
          <button type="button" class="link-button" onClick={again}>
            Try again
          </button>
        </p>
      )}
      {waiting && problem === null && (
        <ul class="articles" aria-label="Loading articles">
          {[0, 1, 2].map((i) => <li key={i} class="article-skeleton skeleton" />)}
        </ul>
      )}
      {!waiting && answer.articles.length === 0 && <NoArticles end={bucket.end} again={again} />}
      {!waiting && answer.articles.length > 0 && <ArticleList answer={answer} stale={problem !== null} />}
    </>
  );
}

/** The button goes with the choice, so the keyboard moves to the one beside it. */
function chooseNewest(event: Event): void {
  const button = event.currentTarget as HTMLElement;
  (button.previousElementSibling as HTMLElement).focus();
  selectCandle(null);
}

export function WhyPanel() {
  const bucket = focus.value;
  const found = useArticles(bucket);
  const missing = useOlderSelected();
  const chosen = route.value.at !== null;
  return (
    <aside class="why panel" aria-label="Why this candle">
      <div class="why-head">
        <h2 class="panel-title">Why this candle</h2>
        <div class="why-steps">
          <button type="button" class="icon-button" aria-label="Earlier candle" onClick={() => stepCandle(-1)}>‹</button>
          <button type="button" class="icon-button" aria-label="Later candle" onClick={() => stepCandle(1)}>›</button>
          {chosen && <button type="button" class="link-button" onClick={chooseNewest}>Newest</button>}
        </div>
      </div>
      {bucket === null ? (
        <p class="panel-note">{chosen ? <MissingNote missing={missing} /> : "There is no candle to explain yet."}</p>
      ) : (
        <>
          <p class="why-window">
            {windowText(bucket.start, bucket.end, prefs.value.zone)}
            <span class="muted"> · {articlesText(bucket.count)}</span>
            {isRevised(bucket) && <span class="chip chip-accent">◆ rev {bucket.rev}</span>}
          </p>
          <LabelBar bucket={bucket} />
          {found !== null && <Articles key={bucket.start} found={found} bucket={bucket} />}
          <ExportBar />
        </>
      )}
    </aside>
  );
}
