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

/** Keeps an answer for later. A full disk forbids it, and must not decide what the reader gets now. */
async function remember(request, response) {
  try {
    const cache = await caches.open(CACHE);
    await cache.put(request, response);
    const assets = (await cache.keys()).filter((entry) => new URL(entry.url).pathname.startsWith("/assets/"));
    for (const old of assets.slice(0, Math.max(0, assets.length - MAX_ASSETS))) await cache.delete(old);
  } catch {
    // The server's answer stands.
  }
}

const kept = (request) => caches.match(request).catch(() => undefined);

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
  const known = await kept(request);
  if (known !== undefined) {
    // It goes behind those that are asked for no more, which are thrown away first.
    void remember(request, known.clone());
    return known;
  }
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
