import { type Label, labelOf } from "./bucket.ts";
import { numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { type E4, type Ms, parseIso, polarityToE4 } from "./units.ts";
import type { Articles, Article as WireArticle } from "./wire.ts";

/** What an article made of a candle. */
export type Role = "open" | "high" | "low" | "close";

/** One article behind a candle, as the panel shows it. */
export interface Article {
  readonly eventId: string;
  readonly title: string;
  readonly publisher: string;
  readonly source: string;
  readonly url: string | null;
  readonly publishedAt: Ms | null;
  readonly ingestedAt: Ms | null;
  readonly scoredAt: Ms | null;
  /** Null when nobody can tell any more: another model has scored the article since, or its score has expired. */
  readonly label: Label | null;
  readonly confidence: number | null;
  readonly polarity: E4 | null;
  readonly modelVersion: string;
  readonly roles: readonly Role[];
}

/** The articles of one candle, and how many more it counted than are still stored. */
export interface ArticlesAnswer {
  readonly articles: readonly Article[];
  readonly missing: number;
}

/** Null unless it is http or https: a link from the outside must not run script. */
export function webUrl(value: unknown): string | null {
  return typeof value === "string" && /^https?:\/\//i.test(value) ? value : null;
}

const ROLES: readonly unknown[] = ["open", "high", "low", "close"] satisfies Role[];

export const rolesOf = (value: unknown): Role[] =>
  Array.isArray(value) ? value.filter((role): role is Role => ROLES.includes(role)) : [];

function parseArticle(wire: Raw<WireArticle>): Article {
  const polarity = numberOf(wire.polarity);
  return {
    eventId: textOf(wire.event_id),
    title: textOf(wire.title),
    publisher: textOf(wire.publisher),
    source: textOf(wire.source),
    url: webUrl(wire.url),
    publishedAt: parseIso(wire.published_at),
    ingestedAt: parseIso(wire.ingested_at),
    scoredAt: parseIso(wire.scored_at),
    label: labelOf(wire.label),
    confidence: numberOf(wire.confidence),
    polarity: polarity === null ? null : polarityToE4(polarity),
    modelVersion: textOf(wire.model_version),
    roles: rolesOf(wire.roles),
  };
}

export function parseArticles(value: unknown): ArticlesAnswer {
  const wire = raw<Articles>(value);
  return { articles: rawList<WireArticle>(wire.articles).map(parseArticle), missing: numberOf(wire.missing) ?? 0 };
}
