import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Article } from "../model/api_types.ts";
import type { Bucket } from "../model/bucket.ts";
import { isRevised, labelMark } from "../model/candle_text.ts";
import { articlesText, latencyText, scoreText, secondsText, windowText } from "../model/format.ts";
import { ms } from "../model/units.ts";
import { ApiError, fetchArticles } from "../store/api.ts";
import { stepCandle, selectCandle } from "./navigation.ts";
import { focus, prefs, route, selectedKey } from "./state.ts";

type Loaded = { readonly articles: readonly Article[] } | { readonly problem: string } | null;

/** The names of the candle's four points, in the words a reader sees on the chart. */
const ROLE_TEXT = { open: "Open", high: "High", low: "Low", close: "Close" } as const;
const MAX_SHOWN = 60;

function Latency({ article }: { article: Article }) {
  if (article.publishedAt === null || article.scoredAt === null) return null;
  const total = ms(Math.max(0, article.scoredAt - article.publishedAt));
  return <span title="From publication to score">{latencyText(total)} to score</span>;
}

function ArticleRow({ article }: { article: Article }) {
  const { url, title, label, publishedAt } = article;
  const text = title === "" ? "(no headline)" : title;
  return (
    <li class="article">
      <div class="article-score">
        <span class={`tone-${label}`} title={`${label}, confidence ${Math.round(article.confidence * 100)} %`}>
          <span class="mark" aria-hidden="true">
            {labelMark(label)}
          </span>
          {scoreText(article.polarity)}
        </span>
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
  const labels = ["positive", "neutral", "negative"] as const;
  let left = 0;
  return (
    <div class="label-mix">
      <svg class="label-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" focusable="false">
        {labels.map((label) => {
          const width = (100 * bucket[label]) / total;
          const x = left;
          left += width;
          return <rect key={label} class={`fill-${label}`} x={x} y="0" width={Math.max(0, width - (width < 100 ? 0.6 : 0))} height="4" />;
        })}
      </svg>
      <p class="label-counts">
        {labels.map((label) => (
          <span key={label} class={`tone-${label}`}>
            <span aria-hidden="true">{labelMark(label)} </span>
            {bucket[label]} {label}
          </span>
        ))}
      </p>
    </div>
  );
}

/** Loads the articles of the candle in focus, and again when it is revised. */
function useArticles(bucket: Bucket | null): Loaded {
  const loaded = useSignal<Loaded>(null);
  const key = selectedKey.value;
  const start = bucket?.start ?? null;
  useEffect(() => {
    loaded.value = null;
  }, [key, start]);
  useEffect(() => {
    if (key === null || start === null) return undefined;
    const abort = new AbortController();
    // A live candle may change many times a second; its articles follow a little behind.
    const timer = setTimeout(() => {
      fetchArticles(key, start, abort.signal).then(
        (articles) => (loaded.value = { articles }),
        (error: unknown) => {
          if (abort.signal.aborted) return;
          if (!(error instanceof ApiError)) throw error;
          loaded.value = { problem: error.message };
        },
      );
    }, loaded.peek() === null ? 0 : 400);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, start, bucket?.rev]);
  return loaded.value;
}

function ArticleList({ loaded }: { loaded: Loaded }) {
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
  return (
    <>
      <ul class="articles">
        {newestFirst.slice(0, MAX_SHOWN).map((article) => <ArticleRow key={article.eventId} article={article} />)}
      </ul>
      {newestFirst.length > MAX_SHOWN && <p class="panel-note">The newest {MAX_SHOWN} of {articlesText(newestFirst.length)} are shown. A finer resolution shows the rest.</p>}
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
        <p class="panel-note">{chosen ? "This candle is not in the range that is loaded." : "Pick a candle to see the articles that made it."}</p>
      ) : (
        <>
          <p class="why-window">
            {windowText(bucket.start, bucket.end, prefs.value.zone)}
            <span class="muted"> · {articlesText(bucket.count)}</span>
            {isRevised(bucket) && <span class="chip chip-accent">◆ rev {bucket.rev}</span>}
          </p>
          <LabelBar bucket={bucket} />
          <ArticleList loaded={loaded} />
        </>
      )}
    </aside>
  );
}
