import type { Label } from "./bucket.ts";
import { numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { type E4, type Ms, parseIso, polarityToE4 } from "./units.ts";
import type { Articles, Article as WireArticle } from "./wire.ts";

/** One article behind a candle, as the panel shows it. */
export type Role = "open" | "high" | "low" | "close";

export interface Article {
  readonly eventId: string;
  readonly title: string;
  readonly publisher: string;
  readonly source: string;
  /** Null unless it is http or https: a link from the outside must not run script. */
  readonly url: string | null;
  readonly publishedAt: Ms | null;
  readonly ingestedAt: Ms | null;
  readonly scoredAt: Ms | null;
  readonly label: Label;
  readonly confidence: number | null;
  /** Null when the article is known by name only, because its score has expired. */
  readonly polarity: E4 | null;
  readonly modelVersion: string;
  readonly roles: readonly Role[];
}

/** The articles of one candle, and how many more it counted than are still stored. */
export interface ArticlesAnswer {
  readonly articles: readonly Article[];
  readonly missing: number;
}

function webUrl(value: unknown): string | null {
  return typeof value === "string" && /^https?:\/\//i.test(value) ? value : null;
}

const ROLES: readonly unknown[] = ["open", "high", "low", "close"] satisfies Role[];

function parseArticle(wire: Raw<WireArticle>): Article {
  const polarity = numberOf(wire.polarity);
  const roles: readonly unknown[] = Array.isArray(wire.roles) ? wire.roles : [];
  return {
    eventId: textOf(wire.event_id),
    title: textOf(wire.title),
    publisher: textOf(wire.publisher),
    source: textOf(wire.source),
    url: webUrl(wire.url),
    publishedAt: parseIso(wire.published_at),
    ingestedAt: parseIso(wire.ingested_at),
    scoredAt: parseIso(wire.scored_at),
    label: wire.label === "positive" || wire.label === "negative" ? wire.label : "neutral",
    confidence: numberOf(wire.confidence),
    polarity: polarity === null ? null : polarityToE4(polarity),
    modelVersion: textOf(wire.model_version),
    roles: roles.filter((role): role is Role => ROLES.includes(role)),
  };
}

export function parseArticles(value: unknown): ArticlesAnswer {
  const wire = raw<Articles>(value);
  return { articles: rawList<WireArticle>(wire.articles).map(parseArticle), missing: numberOf(wire.missing) ?? 0 };
}
