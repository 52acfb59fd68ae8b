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

function openEndpoint(onError: () => void): Endpoint {
  const options = { type: "module", name: "candlewick-stream" } as const;
  if (typeof SharedWorker !== "undefined") {
    const shared = new SharedWorker(workerUrl, options);
    shared.addEventListener("error", onError);
    shared.port.start();
    return shared.port as Endpoint;
  }
  const own = new Worker(workerUrl, options);
  own.addEventListener("error", onError);
  return own as Endpoint;
}

/** The worker asks for the same lock; the browser hands it over when this page dies, however it dies. */
function announceLife(endpoint: Endpoint): void {
  if (navigator.locks === undefined) return;
  const lock = `candlewick-page-${crypto.randomUUID()}`;
  void navigator.locks.request(lock, () => {
    endpoint.postMessage({ lock });
    return new Promise<void>(() => undefined);
  });
}

export function openStreamPort(onMessage: (message: WorkerMessage) => void, onError: () => void): StreamPort {
  const endpoint = openEndpoint(onError);
  endpoint.onmessage = (event) => onMessage(event.data);
  announceLife(endpoint);
  return { post: (message) => endpoint.postMessage(message) };
}
