/**
 * Lets the page open while its server is away: the page itself is asked for on the network first and
 * taken from the cache when that fails; assets carry a hash in their name and never change. The API is
 * left alone, because candles have a cache of their own that knows about generations.
 */
const CACHE = "candlewick-shell-1";
const PAGE = "/index.html";
const MAX_ASSETS = 60;
const PATIENCE_MS = 3_000;
/** What the server says of itself is shown as it is. */
const PROBES = ["/health", "/ready"];

/** The parts that were asked for since this worker began, the newest last. */
const used = new Set();
/** One answer is kept after the other: two that make room at once would throw away what either keeps anew. */
let turn = Promise.resolve();

const kept = (request) => caches.match(request).catch(() => undefined);

/** Throws away what was asked for longest ago; what stands among the first and stays goes behind the others. */
async function makeRoom(cache) {
  const assets = (await cache.keys()).filter((entry) => new URL(entry.url).pathname.startsWith("/assets/"));
  const first = assets.slice(0, Math.max(0, assets.length - MAX_ASSETS));
  if (first.length === 0) return;
  const order = [...used];
  const rank = ({ url }) => order.indexOf(url);
  const going = [...assets].sort((a, b) => rank(a) - rank(b)).slice(0, first.length);
  for (const old of new Set([...going, ...first])) {
    const known = await kept(old);
    if (going.includes(old)) await cache.delete(old);
    else if (known !== undefined) await cache.put(old, known);
  }
}

async function put(request, response) {
  try {
    const cache = await caches.open(CACHE);
    await cache.put(request, response);
    await makeRoom(cache);
  } catch {
    // The server's answer stands.
  }
}

/** Keeps an answer for later. A full disk forbids it, and must not decide what the reader gets now. */
function remember(request, response) {
  turn = turn.then(() => put(request, response));
  return turn;
}

async function page(request) {
  try {
    const response = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });
    // A picture in a tab of its own is not what the reader comes back to.
    const isPage = response.headers.get("content-type")?.startsWith("text/html") === true;
    if (response.ok && isPage) await remember(PAGE, response.clone());
    // A proxy answers for a server that is away.
    return response.status < 500 ? response : ((await kept(PAGE)) ?? response);
  } catch (error) {
    const known = await kept(PAGE);
    if (known === undefined) throw error;
    return known;
  }
}

async function asset(request) {
  used.delete(request.url);
  used.add(request.url);
  const known = await kept(request);
  if (known !== undefined) return known;
  const response = await fetch(request);
  if (response.ok) await remember(request, response.clone());
  return response;
}

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  const tidy = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(tidy());
});

/** The first visit fetched everything before this worker was there; the page tells what that was. */
self.addEventListener("message", (event) => {
  const keep = async () => {
    for (const url of event.data.urls) {
      const request = new Request(url);
      if ((await kept(request)) !== undefined) continue;
      const response = await fetch(request);
      if (response.ok) await remember(url === "/" ? PAGE : request, response);
    }
  };
  event.waitUntil(keep());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || PROBES.includes(url.pathname)) return;
  if (url.pathname.startsWith("/assets/")) event.respondWith(asset(request));
  else if (request.mode === "navigate" && !url.pathname.startsWith("/api/")) event.respondWith(page(request));
});
