import workerUrl from "virtual:stream-worker";
import type { PageMessage, WorkerMessage } from "../model/protocol.ts";

/** Where the worker's code is; a shell that is kept for later needs it too. */
export { workerUrl };

/** The page's end of the worker: one SharedWorker for all tabs, or a worker of its own where there is none. */
export interface StreamPort {
  post(message: PageMessage): void;
}

interface Endpoint {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<WorkerMessage>) => void) | null;
}

const OPTIONS = { type: "module", name: "candlewick-stream" } as const;

/** Null where there is none, or where the browser refuses it: Firefox does so when it may keep no data of this site. */
function openShared(): SharedWorker | null {
  try {
    return new SharedWorker(workerUrl, OPTIONS);
  } catch {
    return null;
  }
}

/** The worker asks for the same lock; the browser hands it over when this page dies, however it dies. */
function announceLife(endpoint: Endpoint): void {
  if (navigator.locks === undefined) return;
  const lock = `candlewick-page-${crypto.randomUUID()}`;
  const hold = (): Promise<void> => {
    endpoint.postMessage({ lock });
    return new Promise<void>(() => undefined);
  };
  // Where nothing may be kept there are no locks either; then the page itself says that it goes.
  navigator.locks.request(lock, hold).catch(() => undefined);
}

export function openStreamPort(onMessage: (message: WorkerMessage) => void, onError: () => void): StreamPort {
  let endpoint: Endpoint;
  /** What is said again to the next worker when one comes to nothing; null once one has answered. */
  let unheard: PageMessage[] | null = [];
  const use = (opened: Endpoint): void => {
    endpoint = opened;
    endpoint.onmessage = (event) => {
      unheard = null;
      onMessage(event.data);
    };
    announceLife(endpoint);
    for (const message of unheard ?? []) endpoint.postMessage(message);
  };
  const openOwn = (): void => {
    const own = new Worker(workerUrl, OPTIONS);
    own.addEventListener("error", onError);
    use(own as Endpoint);
  };
  const shared = openShared();
  if (shared === null) openOwn();
  else {
    // Chrome does not refuse a shared one where it may keep nothing, but fails to load its code.
    shared.addEventListener("error", () => (unheard === null ? onError() : openOwn()));
    shared.port.start();
    use(shared.port as Endpoint);
  }
  return {
    post: (message) => {
      unheard?.push(message);
      endpoint.postMessage(message);
    },
  };
}
