import workerUrl from "virtual:stream-worker";
import type { PageMessage, WorkerMessage } from "../model/protocol.ts";

/** Where the worker's code is; a shell that is kept for later needs it too. */
export { workerUrl };

/** The page's end of the worker: one SharedWorker for all tabs, or a worker of its own where there is none. */
export interface StreamPort {
  post(message: PageMessage): void;
  /** Leaves the worker and hears nothing of it any more; one of the page's own ends. */
  close(): void;
}

interface Endpoint {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<WorkerMessage>) => void) | null;
  terminate?(): void;
}

const OPTIONS = { type: "module", name: "candlewick-stream" } as const;

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
  let endpoint: Endpoint | undefined;
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
  const failed = (): void => onError();
  const openOwn = (): void => {
    try {
      const own = new Worker(workerUrl, OPTIONS);
      own.addEventListener("error", failed);
      use(own as Endpoint);
    } catch {
      // Not before the caller has its port.
      queueMicrotask(failed);
    }
  };
  try {
    const shared = new SharedWorker(workerUrl, OPTIONS);
    // Chrome does not refuse a shared one where it may keep nothing, but fails to load its code.
    shared.addEventListener("error", () => (unheard === null ? failed() : openOwn()));
    shared.port.start();
    use(shared.port as Endpoint);
  } catch {
    // There is none, or the browser refuses it: Firefox does so when it may keep no data of this site.
    openOwn();
  }
  return {
    post: (message) => {
      unheard?.push(message);
      endpoint?.postMessage(message);
    },
    close: () => {
      onMessage = onError = () => undefined;
      unheard = null;
      endpoint?.postMessage({ type: "leave" });
      endpoint?.terminate?.();
    },
  };
}
