/**
 * A stand-in for the real server: `node dev/mock_server.mjs [--port 8010] [--rate 2] [--empty]`.
 * Serves `dist/` and the part of the API the page uses, streams made-up news, and misbehaves on
 * request: POST /mock/fault {"mode": "none" | "refuse" | "stream503" | "cut" | "stall" | "error"}.
 */
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { SLOT_MS, SUBJECTS, World } from "./mock_data.mjs";

const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : process.argv[at + 1];
};
const PORT = Number(argument("port", "8010"));
const RATE = Number(argument("rate", "2"));
const EMPTY = process.argv.includes("--empty");
const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json" };
const CSP = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const startedAt = Date.now();
const world = EMPTY ? new World(0) : new World(startedAt);
const clients = new Set();
const fault = { mode: "none" };
const stats = { streams: 0, open: 0, peak: 0, requests: 0, paths: {} };

function tick() {
  if (EMPTY) return;
  const live = SUBJECTS.filter((row) => row.perHour > 0);
  const weights = live.map((row) => Math.sqrt(row.perHour));
  let draw = Math.random() * weights.reduce((a, b) => a + b, 0);
  const row = live.find((_, i) => (draw -= weights[i]) <= 0) ?? live[0];
  const now = Date.now();
  // One article in twelve is late by some minutes: it lands in a window that has already ended.
  const late = Math.random() < 1 / 12 ? Math.floor(Math.random() * 900_000) : Math.floor(Math.random() * 1_500);
  world.add(row, now - late, now);
  for (const client of clients) flush(client);
}

const wanted = (client, record) =>
  client.subjects.has(record.subject) && (record.resolution === null || client.resolutions.has(record.resolution));

function flush(client) {
  if (fault.mode === "stall") return;
  let text = "";
  for (; client.cursor < world.log.length; client.cursor++) {
    const record = world.log[client.cursor];
    if (wanted(client, record)) text += frame(record.event, record.data, record.cursor);
  }
  if (text !== "") client.response.write(text);
}

const frame = (event, data, cursor) => `event: ${event}\nid: ${world.epoch}.${cursor}\ndata: ${JSON.stringify(data)}\n\n`;

function newestIngestAt() {
  const newest = [...world.articles.values()].flat().reduce((a, b) => (b.ingested_at > a ? b.ingested_at : a), "");
  return newest === "" ? null : newest;
}

function heartbeat(client) {
  if (fault.mode === "stall") return;
  const data = {
    server_time: new Date().toISOString(), newest_ingest_at: newestIngestAt(), lag_ms: 120,
    cursor: `${world.epoch}.${client.cursor}`, connections: clients.size, store: "up",
  };
  client.response.write(frame("heartbeat", data, client.cursor));
}

/** Where a client goes on, and whether that is in what this server remembers. */
function place(asked) {
  const [epoch, cursor] = asked?.includes(".") ? asked.split(".") : [asked == null ? null : world.epoch, asked];
  const resumed = epoch === world.epoch && Number(cursor) <= world.log.length;
  const reason = asked == null ? "first" : resumed ? "ok" : epoch === world.epoch ? "too_old" : "epoch_changed";
  return { resumed, reason, cursor: resumed ? Number(cursor) : world.log.length };
}

function filters(url) {
  const list = (name, fallback) => new Set((url.searchParams.get(name) ?? fallback).split(",").filter(Boolean));
  return { subjects: list("tickers", ""), resolutions: list("resolutions", "1m") };
}

function openStream(request, response, url) {
  if (fault.mode === "stream503" || fault.mode === "error") {
    response.writeHead(503, { "Retry-After": "1", "Content-Type": "application/problem+json" });
    return response.end(JSON.stringify({ detail: "full", max_connections: 0, retry_after: 1 }));
  }
  const { resumed, reason, cursor } = place(request.headers["last-event-id"] ?? url.searchParams.get("cursor"));
  const client = { response, cursor, ...filters(url) };
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no" });
  const hello = {
    epoch: world.epoch, resumed, reason, server_time: new Date().toISOString(), heartbeat_s: 10, max_lifetime_s: 900,
    filters: { tickers: [...client.subjects], resolutions: [...client.resolutions] },
  };
  response.write(frame("hello", hello, client.cursor));
  if (!resumed) response.write(frame("snapshot", { series: snapshot(client) }, client.cursor));
  clients.add(client);
  Object.assign(stats, { streams: stats.streams + 1, open: clients.size, peak: Math.max(stats.peak, clients.size) });
  heartbeat(client);
  flush(client);
  response.on("close", () => {
    clients.delete(client);
    stats.open = clients.size;
  });
}

function snapshot(client) {
  return [...client.subjects].flatMap((subject) =>
    [...client.resolutions].map((resolution) => {
      const series = world.series(subject, resolution, Date.now(), 1);
      return { ticker: subject, resolution, final: series.buckets[0] ?? null, partial: series.partial_bucket };
    }),
  );
}

function changes(url) {
  const client = filters(url);
  const { resumed, reason, cursor } = place(url.searchParams.get("cursor"));
  const records = world.log.slice(cursor).filter((record) => wanted(client, record));
  const events = records.map((record) => ({ event: record.event, id: `${world.epoch}.${record.cursor}`, data: record.data }));
  if (!resumed) events.unshift({ event: "snapshot", id: `${world.epoch}.${cursor}`, data: { series: snapshot(client) } });
  return { epoch: world.epoch, cursor: `${world.epoch}.${world.log.length}`, resumed, reason, events, more: false };
}

function status() {
  const sources = ["rss", "finnhub", "newsapi", "tiingo"].map((name, i) => ({
    name, state: ["healthy", "healthy", "circuit open", "paused"][i], last_success_at: i < 3 ? new Date(Date.now() - (i + 1) * 45_000).toISOString() : null,
    error: i === 2 ? "429 Too Many Requests; next probe in 40 s" : null, articles_per_hour: [62, 31, 4, 0][i],
  }));
  const ago = (age) => new Date(Date.now() - age).toISOString();
  const watermarks = [0, 1, 2, 3].map((i) => ({ shard: `shardId-00${i}`, at: ago(120_000 + i * 9_000), newest_event_at: ago(i * 9_000) }));
  const counts = { counted: world.sequence - 41, duplicates: 29, too_late: 9, quarantined: 3 };
  return { sources, counts, lag_ms: 140, newest_ingest_at: newestIngestAt(), watermarks, demo: true };
}

function json(response, status, body) {
  response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}

function api(url, response) {
  const now = Date.now();
  const parts = url.pathname.split("/").slice(3).map(decodeURIComponent);
  const resolution = url.searchParams.get("resolution") ?? "1m";
  const limit = url.searchParams.has("limit") ? Number(url.searchParams.get("limit")) : undefined;
  if (fault.mode === "error") return json(response, 500, { title: "Internal error", detail: "The bucket store cannot be read." });
  if (parts[0] === "subjects") {
    const subjects = EMPTY ? [] : SUBJECTS.filter((row) => row.perHour > 0).map((row) => {
      const list = world.articles.get(row.subject);
      const day = list.filter((a) => a.at > now - 86_400_000).length;
      return { subject: row.subject, name: row.name, count_24h: day, last_event_at: list[list.length - 1].published_at };
    });
    return json(response, 200, { subjects, demo: true, demo_note: "Recorded news of 1–7 June 2021, replayed as if it were arriving now" });
  }
  if (parts[0] === "status") return json(response, 200, status());
  if (parts[0] === "changes") return json(response, 200, changes(url));
  if (parts[0] === "timeseries" && SLOT_MS[resolution] === undefined) return json(response, 400, { detail: `Unknown resolution ${resolution}.` });
  if (parts[0] === "timeseries" && parts.length === 1) {
    const subjects = url.searchParams.get("tickers").split(",");
    return json(response, 200, { series: subjects.map((subject) => world.series(subject, resolution, now, limit)) });
  }
  if (parts[0] === "timeseries" && parts.length === 2) return json(response, 200, world.series(parts[1], resolution, now, limit));
  if (parts[0] === "timeseries" && parts[4] === "articles") {
    const found = world.articlesOf(parts[1], parts[2], Date.parse(parts[3]), now);
    return found === null ? json(response, 404, { detail: "No such bucket." }) : json(response, 200, found);
  }
  return json(response, 404, { detail: "No such endpoint." });
}

function serveFile(url, response) {
  const wantedPath = join(DIST, normalize(url.pathname));
  const file = existsSync(wantedPath) && statSync(wantedPath).isFile() ? wantedPath : join(DIST, "index.html");
  const immutable = url.pathname.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache";
  response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", "Content-Security-Policy": CSP, "Cache-Control": immutable });
  createReadStream(file).pipe(response);
}

/** Test handles: faults, a burst of updates, another generation, counters. */
function control(url, body, response) {
  if (url.pathname === "/mock/fault") {
    fault.mode = body.mode;
    if (["cut", "refuse", "stream503"].includes(body.mode)) for (const client of clients) client.response.destroy();
    if (body.mode === "cut") fault.mode = "none";
  }
  if (url.pathname === "/mock/burst") for (let i = 0; i < body.count; i++) tick();
  if (url.pathname === "/mock/article") world.add(SUBJECTS.find((row) => row.subject === body.subject), body.at, Date.now(), true, body.title);
  if (url.pathname === "/mock/epoch") {
    world.epoch = body.epoch;
    for (const client of clients) client.response.destroy();
  }
  for (const client of clients) flush(client);
  json(response, 200, { ...stats, mode: fault.mode, log: world.log.length });
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://localhost");
  stats.requests += 1;
  if (url.pathname.startsWith("/mock/")) {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => control(url, JSON.parse(Buffer.concat(chunks).toString() || "{}"), response));
    return;
  }
  if (fault.mode === "refuse") return request.socket.destroy();
  if (url.pathname === "/api/v2/stream") return openStream(request, response, url);
  if (url.pathname.startsWith("/api/")) return api(url, response);
  serveFile(url, response);
});

server.listen(PORT, "127.0.0.1", () => console.log(`mock server on http://127.0.0.1:${server.address().port}`));
setInterval(tick, 1000 / RATE);
setInterval(() => clients.forEach(heartbeat), 10_000);
