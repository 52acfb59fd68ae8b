import { workerUrl } from "../store/stream_port.ts";

/** How long after the candles the rest of the page has come, so that it can be kept as a whole. */
const SETTLED_MS = 5_000;

function loadedAssets(): string[] {
  const entries = performance.getEntriesByType("resource").map((entry) => entry.name);
  // The list of what was fetched does not have the worker, which is not fetched by the page.
  const names = [...entries, workerUrl].map((name) => new URL(name, location.href).pathname);
  return ["/", ...new Set(names.filter((name) => name.startsWith("/assets/")))];
}

/** Keeps the page itself for a visit without a server. Not possible everywhere, and never needed. */
export async function keepShell(): Promise<void> {
  if (!("serviceWorker" in navigator)) return;
  await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
  try {
    await navigator.serviceWorker.register("/sw.js");
    const { active } = await navigator.serviceWorker.ready;
    active?.postMessage({ urls: loadedAssets() });
  } catch (error) {
    // Private windows and plain http on another host forbid it; the page works without.
    if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
  }
}
