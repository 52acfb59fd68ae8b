import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Ms } from "../model/units.ts";
import type { Clock } from "./clock.ts";

/** A message longer than this is a fault, not news: the parser stops instead of filling the memory. */
const MAX_MESSAGE_CHARS = 4_000_000;

export type ReadEnd = "ended" | "silent" | "failed" | "aborted";

/**
 * Reads one response to its end and hands over the messages of each chunk together. Returns why it
 * ended; `silent` means that nothing, not even a heartbeat, came in time. The first message has a
 * limit of its own: a proxy that buffers would otherwise hold the page for the whole quiet limit.
 */
export async function readMessages(
  response: Response,
  onMessages: (messages: readonly EventSourceMessage[]) => void,
  limits: { readonly first: Ms; readonly quiet: Ms },
  clock: Clock,
  signal: AbortSignal,
): Promise<ReadEnd> {
  if (response.body === null) return "failed";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const pending: EventSourceMessage[] = [];
  let end: ReadEnd | null = null;
  const parser = createParser({
    maxBufferSize: MAX_MESSAGE_CHARS,
    onEvent: (message) => pending.push(message),
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") end = "failed";
    },
  });
  let limit = limits.first;
  try {
    while (end === null) {
      const watch = new AbortController();
      const quiet = clock.sleep(limit, AbortSignal.any([signal, watch.signal])).then(() => null);
      const chunk = await Promise.race([reader.read(), quiet]);
      watch.abort();
      if (signal.aborted) end = "aborted";
      else if (chunk === null) end = "silent";
      else if (chunk.done) end = "ended";
      else {
        parser.feed(decoder.decode(chunk.value, { stream: true }));
        if (pending.length > 0) {
          limit = limits.quiet;
          onMessages(pending.splice(0));
        }
      }
    }
    return end;
  } catch (error) {
    // A cut connection surfaces as a TypeError or an AbortError from the reader; both mean "connect again".
    if (signal.aborted) return "aborted";
    if (error instanceof TypeError || error instanceof DOMException) return "failed";
    throw error;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
