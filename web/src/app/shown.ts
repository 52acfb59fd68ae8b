import type { NewItem } from "../model/stream_event.ts";
import { addMs, type Ms, ms } from "../model/units.ts";
import { link } from "./state.ts";

/** When the stream brought an event to this page, for the newest of them: how long news takes to the reader's eye. */
export const firstShown = new Map<string, Ms>();
const MAX_KEPT = 500;

/** This instant by the server's clock; `serverNow` tells it once a second only. */
export const instant = (): Ms => addMs(ms(Date.now()), link.peek().clockOffset);

export function noteShown(items: readonly NewItem[]): void {
  const at = instant();
  for (const { eventId } of items) if (!firstShown.has(eventId)) firstShown.set(eventId, at);
  for (const eventId of firstShown.keys()) {
    if (firstShown.size <= MAX_KEPT) break;
    firstShown.delete(eventId);
  }
}
