import type { Label } from "./bucket.ts";
import { type E4, type Ms, parseIso, polarityToE4 } from "./units.ts";

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
  readonly confidence: number;
  readonly polarity: E4;
  readonly modelVersion: string;
  readonly roles: readonly Role[];
}

type Json = Record<string, unknown>;
const asRecord = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});
const asText = (value: unknown): string => (typeof value === "string" ? value : "");
const asNumber = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);

function webUrl(value: unknown): string | null {
  return typeof value === "string" && /^https?:\/\//i.test(value) ? value : null;
}

const ROLES: readonly string[] = ["open", "high", "low", "close"] satisfies Role[];

function parseArticle(data: Json): Article {
  const label = asText(data["label"]);
  const roles = Array.isArray(data["roles"]) ? data["roles"] : [];
  return {
    eventId: asText(data["event_id"]),
    title: asText(data["title"]),
    publisher: asText(data["publisher"]),
    source: asText(data["source"]),
    url: webUrl(data["url"]),
    publishedAt: parseIso(data["published_at"]),
    ingestedAt: parseIso(data["ingested_at"]),
    scoredAt: parseIso(data["scored_at"]),
    label: label === "positive" || label === "negative" ? label : "neutral",
    confidence: asNumber(data["confidence"]),
    polarity: polarityToE4(asNumber(data["polarity"])),
    modelVersion: asText(data["model_version"]),
    roles: roles.filter((role): role is Role => ROLES.includes(role)),
  };
}

export function parseArticles(wire: unknown): Article[] {
  const articles = asRecord(wire)["articles"];
  return Array.isArray(articles) ? articles.map((row) => parseArticle(asRecord(row))) : [];
}
