import type { PageMessage, WorkerMessage } from "../model/protocol.ts";
import { systemClock } from "./clock.ts";
import { Hub } from "./hub.ts";

/**
 * The entry of the worker. The same file runs as a SharedWorker (all tabs, one connection) and, where
 * the browser has none (Chrome on Android), as a plain worker of one page.
 */
interface PortLike {
  postMessage(message: WorkerMessage): void;
  onmessage: ((event: MessageEvent<PageMessage & { lock?: string }>) => void) | null;
}

const scope = self as unknown as {
  onconnect?: ((event: MessageEvent) => void) | null;
  postMessage?: (message: WorkerMessage) => void;
  onmessage: PortLike["onmessage"];
};

const hub = new Hub({
  fetch: (input, init) => fetch(input, init),
  clock: systemClock,
  base: self.location.origin,
  isOnline: () => self.navigator.onLine,
});

/** A page holds a lock of this name while it lives, so getting the lock means that the page is gone. */
function leaveWhenReleased(id: number, lock: string): void {
  void self.navigator.locks?.request(lock, () => hub.leave(id));
}

function serve(port: PortLike): void {
  const id = hub.join((message) => port.postMessage(message));
  port.onmessage = (event) => {
    if (event.data.lock !== undefined) leaveWhenReleased(id, event.data.lock);
    else hub.receive(id, event.data);
  };
}

for (const name of ["online", "offline"]) self.addEventListener(name, () => hub.networkChanged(self.navigator.onLine));
setInterval(() => hub.checkVisibility(), 30_000);

if ("onconnect" in self) {
  scope.onconnect = (event) => {
    const port = event.ports[0];
    if (port !== undefined) serve(port as unknown as PortLike);
  };
} else {
  serve(scope as unknown as PortLike);
}
