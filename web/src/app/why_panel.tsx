import "./styles/why.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Article, ArticlesAnswer } from "../model/article.ts";
import { type Bucket, LABELS } from "../model/bucket.ts";
import { isRevised, labelMark } from "../model/candle_text.ts";
import { articlesText, latencyText, secondsText, windowText } from "../model/format.ts";
import { ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchArticles } from "../store/articles_api.ts";
import { ArticleScore } from "./article_score.tsx";
import { ExportBar } from "./export_bar.tsx";
import { stepCandle, selectCandle } from "./navigation.ts";
import { focus, prefs, route, selectedKey, selectedSeries } from "./state.ts";

type Loaded = ArticlesAnswer | { readonly problem: string } | null;

/** The names of the candle's four points, in the words a reader sees on the chart. */
const ROLE_TEXT = { open: "Open", high: "High", low: "Low", close: "Close" } as const;
/** How many articles are shown before the reader asks for all of them. */
const FIRST_SHOWN = 20;
/** The articles are stored by another stage than the candle; while they are on their way they are asked for again. */
const RETRY_MS = 2_000;
const MAX_RETRIES = 5;

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
            {bucket[label]} {label}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Loads the articles of the candle in focus, and again when it is revised or another generation goes live. */
function useArticles(bucket: Bucket | null): Loaded {
  const loaded = useSignal<Loaded>(null);
  const retries = useSignal(0);
  const key = selectedKey.value;
  // Revisions of two generations cannot be compared: the same number may stand for other articles.
  const { generation } = selectedSeries.value;
  const start = bucket?.start ?? null;
  useEffect(() => {
    loaded.value = null;
    retries.value = 0;
  }, [key, start, generation]);
  useEffect(() => {
    if (key === null || start === null) return undefined;
    const abort = new AbortController();
    let again = 0;
    const load = async (): Promise<void> => {
      try {
        const answer = await fetchArticles(key, start, abort.signal);
        const { articles } = answer;
        loaded.value = answer;
        const missing = articles.length < (bucket?.count ?? 0) && articles.length < FIRST_SHOWN;
        if (missing && retries.peek() < MAX_RETRIES) again = window.setTimeout(() => (retries.value += 1), RETRY_MS);
      } catch (error) {
        if (abort.signal.aborted) return;
        if (!(error instanceof ApiError)) throw error;
        loaded.value = { problem: error.message };
      }
    };
    // A live candle may change many times a second; its articles follow a little behind.
    const timer = setTimeout(() => void load(), loaded.peek() === null ? 0 : 400);
    return () => {
      clearTimeout(timer);
      clearTimeout(again);
      abort.abort();
    };
  }, [key, start, generation, bucket?.rev, retries.value]);
  const arriving = loaded.value !== null && "articles" in loaded.value && loaded.value.articles.length === 0 && retries.value < MAX_RETRIES;
  return arriving ? null : loaded.value;
}

function ArticleList({ loaded }: { loaded: Loaded }) {
  const all = useSignal(false);
  if (loaded === null) {
    return (
      <ul class="articles" aria-label="Loading articles">
        {[0, 1, 2].map((i) => <li key={i} class="article-skeleton skeleton" />)}
      </ul>
    );
  }
  if ("problem" in loaded) return <p class="panel-note" role="alert">The articles could not be loaded. {loaded.problem}</p>;
  if (loaded.articles.length === 0) return <p class="panel-note">The articles behind this candle are no longer stored; its numbers stand.</p>;
  const newestFirst = [...loaded.articles].reverse();
  const shown = all.value ? newestFirst : newestFirst.slice(0, FIRST_SHOWN);
  return (
    <>
      <ul class="articles">
        {shown.map((article) => (
          <ArticleRow key={article.eventId} article={article} />
        ))}
      </ul>
      {loaded.missing > 0 && <p class="panel-note">{articlesText(loaded.missing)} more counted in this candle but not listed here.</p>}
      {shown.length < newestFirst.length && (
        <button type="button" class="button" onClick={() => (all.value = true)}>
          Show all {articlesText(newestFirst.length)}
        </button>
      )}
    </>
  );
}

export function WhyPanel() {
  const bucket = focus.value;
  const loaded = useArticles(bucket);
  const chosen = route.value.at !== null;
  return (
    <aside class="why panel" aria-label="Why this candle">
      <div class="why-head">
        <h2 class="panel-title">Why this candle</h2>
        <div class="why-steps">
          <button type="button" class="icon-button" aria-label="Earlier candle" onClick={() => stepCandle(-1)}>‹</button>
          <button type="button" class="icon-button" aria-label="Later candle" onClick={() => stepCandle(1)}>›</button>
          {chosen && <button type="button" class="link-button" onClick={() => selectCandle(null)}>Newest</button>}
        </div>
      </div>
      {bucket === null ? (
        <p class="panel-note">{chosen ? "This candle is not in the range that is loaded." : "There is no candle to explain yet."}</p>
      ) : (
        <>
          <p class="why-window">
            {windowText(bucket.start, bucket.end, prefs.value.zone)}
            <span class="muted"> · {articlesText(bucket.count)}</span>
            {isRevised(bucket) && <span class="chip chip-accent">◆ rev {bucket.rev}</span>}
          </p>
          <LabelBar bucket={bucket} />
          <ArticleList key={bucket.start} loaded={loaded} />
          <ExportBar />
        </>
      )}
    </aside>
  );
}
