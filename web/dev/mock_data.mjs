/**
 * Made-up but valid data for developing and testing the page without the real server. The rules are
 * those of the real one: buckets are a function of the set of articles, full state with a revision.
 */
export const SLOT_MS = {
  "1m": 60_000, "5m": 300_000, "10m": 600_000, "1h": 3_600_000,
  "3h": 10_800_000, "6h": 21_600_000, "12h": 43_200_000, "24h": 86_400_000,
};
export const LIMITS = { "1m": 1440, "5m": 288, "10m": 144, "1h": 168, "3h": 112, "6h": 120, "12h": 120, "24h": 90 };

export const SUBJECTS = [
  { subject: "AAPL", name: "Apple", perHour: 40, mood: 0.15 },
  { subject: "MSFT", name: "Microsoft", perHour: 22, mood: 0.3 },
  { subject: "TSLA", name: "Tesla", perHour: 26, mood: -0.25 },
  { subject: "NVDA", name: "NVIDIA", perHour: 18, mood: 0.35 },
  { subject: "AMZN", name: "Amazon", perHour: 9, mood: 0.05 },
  { subject: "tag:ai-regulation", name: "AI regulation", perHour: 5, mood: -0.2 },
  { subject: "BRK.B", name: "Berkshire Hathaway", perHour: 0.6, mood: 0.1 },
  { subject: "QUIET", name: "A subject without news", perHour: 0, mood: 0 },
];

const HEADS = ["shares rise after", "faces questions over", "announces", "analysts weigh", "suppliers respond to", "falls on", "beats expectations with", "regulators look at"];
const TAILS = ["quarterly results", "a new product line", "antitrust filing", "the supply outlook", "record demand", "a delayed launch", "a surprise partnership", "cost cuts"];
const PUBLISHERS = ["Reuters", "Bloomberg", "CNBC", "MarketWatch", "Seeking Alpha", "The Verge"];
const SOURCES = ["finnhub", "rss", "newsapi", "tiingo"];

/** A small generator with a seed, so that a screenshot of today looks like one of tomorrow. */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const iso = (ms) => new Date(ms).toISOString().replace(".000Z", "Z");
const isoMs = (ms) => new Date(ms).toISOString();

/** What the stream says of an article. */
function newItem(ticker, { event_id, article_id, title, published_at, source, label, polarity, ingested_at }) {
  return { ticker, event_id, article_id, title, event_time: published_at, source, label, polarity, origin_timestamp: ingested_at };
}

export class World {
  constructor(now, seed = 7) {
    this.roll = random(seed);
    this.epoch = "g1";
    this.sequence = 0;
    this.articles = new Map(SUBJECTS.map((row) => [row.subject, []]));
    this.buckets = new Map();
    this.log = [];
    for (const row of SUBJECTS) this.backfill(row, now);
  }

  backfill(row, now) {
    if (row.perHour === 0) return;
    const days = 12;
    let at = now - days * 86_400_000;
    while (at < now) {
      // Older history is thinner, which is how a news archive looks and keeps the start quick.
      const rate = row.perHour * (now - at > 2 * 86_400_000 ? 0.15 : 1);
      at += -Math.log(1 - this.roll()) * (3_600_000 / rate);
      if (at < now) this.add(row, Math.floor(at), Math.floor(at) + 20_000, false);
    }
  }

  /** One article becomes part of its bucket at every resolution. */
  add(row, eventTime, ingestedAt, record = true, title = null) {
    const wave = Math.sin(eventTime / 9_000_000 + row.perHour);
    const raw = row.mood + 0.45 * wave + (this.roll() - 0.5) * 1.1;
    const polarity = Math.round(Math.max(-0.98, Math.min(0.98, raw)) * 10_000) / 10_000;
    const label = polarity > 0.15 ? "positive" : polarity < -0.15 ? "negative" : "neutral";
    const n = ++this.sequence;
    const pick = (list) => list[Math.floor(this.roll() * list.length)];
    const article = {
      event_id: `mock#${n}@${row.subject}`, article_id: `mock#${n}`, source: pick(SOURCES), publisher: pick(PUBLISHERS),
      title: title ?? `${row.name} ${pick(HEADS)} ${pick(TAILS)}`, url: `https://news.example/${n}`,
      published_at: isoMs(eventTime), ingested_at: isoMs(ingestedAt), scored_at: isoMs(ingestedAt + 180),
      label, confidence: Math.round((0.55 + this.roll() * 0.44) * 10_000) / 10_000, polarity, model_version: "mock-1", at: eventTime,
    };
    this.articles.get(row.subject).push(article);
    for (const resolution of Object.keys(SLOT_MS)) this.touch(row.subject, resolution, article, ingestedAt, record);
    if (record) this.append("new_item", newItem(row.subject, article), row.subject, null);
    return article;
  }

  touch(subject, resolution, article, now, record) {
    const slot = SLOT_MS[resolution];
    const start = Math.floor(article.at / slot) * slot;
    const key = `${subject}@${resolution}`;
    if (!this.buckets.has(key)) this.buckets.set(key, new Map());
    const series = this.buckets.get(key);
    const bucket = series.get(start) ?? { start, members: [], rev: 0, updated: now };
    bucket.members.push(article);
    bucket.rev += 1;
    bucket.updated = now;
    series.set(start, bucket);
    if (!record) return;
    const live = start + slot > now;
    const told = live ? this.partial(key, bucket, now) : this.wire(key, bucket, now);
    const data = { ticker: subject, resolution, bucket: told, origin_timestamp: article.ingested_at };
    if (live) data.progress_pct = told.progress_pct;
    this.append(live ? "partial_bucket" : "bucket_update", data, subject, resolution);
  }

  append(event, data, subject, resolution) {
    this.log.push({ event, data, subject, resolution, cursor: this.log.length + 1 });
  }

  wire(key, bucket, now) {
    const slot = SLOT_MS[key.slice(key.lastIndexOf("@") + 1)];
    const ordered = [...bucket.members].sort((a, b) => a.at - b.at || (a.event_id < b.event_id ? -1 : 1));
    const scores = ordered.map((a) => a.polarity);
    const labels = { positive: 0, neutral: 0, negative: 0 };
    for (const article of ordered) labels[article.label] += 1;
    const first = ordered[0];
    const last = ordered[ordered.length - 1];
    return {
      start: iso(bucket.start), end: iso(bucket.start + slot),
      open: first.polarity, high: Math.max(...scores), low: Math.min(...scores), close: last.polarity,
      sum: Math.round(scores.reduce((a, b) => a + b, 0) * 10_000) / 10_000, count: ordered.length, label_counts: labels,
      sources: [...new Set(ordered.map((a) => a.source))].sort(), model_versions: ["mock-1"],
      open_at: { time: first.published_at, event_id: first.event_id }, close_at: { time: last.published_at, event_id: last.event_id },
      rev: bucket.rev, is_partial: bucket.start + slot > now, last_updated: isoMs(bucket.updated),
    };
  }

  /** A bucket whose window has not ended. */
  partial(key, bucket, now) {
    const wire = this.wire(key, bucket, now);
    const end = Date.parse(wire.end);
    const progress = Math.round(((now - bucket.start) / (end - bucket.start)) * 1000) / 10;
    return { ...wire, progress_pct: progress, next_update_at: iso(end) };
  }

  series(subject, resolution, now, limit) {
    const key = `${subject}@${resolution}`;
    const slot = SLOT_MS[resolution];
    const all = [...(this.buckets.get(key)?.values() ?? [])].sort((a, b) => a.start - b.start);
    const ended = all.filter((bucket) => bucket.start + slot <= now).slice(-(limit ?? LIMITS[resolution]));
    const open = all.find((bucket) => bucket.start <= now && now < bucket.start + slot);
    const partial = open === undefined ? null : this.partial(key, open, now);
    return {
      ticker: subject, resolution, buckets: ended.map((bucket) => this.wire(key, bucket, now)), partial_bucket: partial,
      cache_hit: false, query_time_ms: 1, next_cursor: null, stream_cursor: `${this.epoch}.${this.log.length}`, generation: this.epoch,
    };
  }

  articlesOf(subject, resolution, start, now) {
    const key = `${subject}@${resolution}`;
    const bucket = this.buckets.get(key)?.get(start);
    if (bucket === undefined) return null;
    const ordered = [...bucket.members].sort((a, b) => a.at - b.at || (a.event_id < b.event_id ? -1 : 1));
    const scores = ordered.map((a) => a.polarity);
    const high = scores.indexOf(Math.max(...scores));
    const low = scores.indexOf(Math.min(...scores));
    const articles = ordered.map(({ at, ...article }, i) => ({
      ...article,
      roles: [i === 0 && "open", i === high && "high", i === low && "low", i === ordered.length - 1 && "close"].filter(Boolean),
    }));
    return { articles, count: articles.length, missing: 0, bucket: this.wire(key, bucket, now) };
  }
}
