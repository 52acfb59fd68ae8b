import type { NewItem } from "../model/stream_event.ts";
import type { Ms } from "../model/units.ts";

/** When the stream brought an event to this page, for the newest of them: how long news takes to the reader's eye. */
export const firstShown = new Map<string, Ms>();
const MAX_KEPT = 500;

export function noteShown(items: readonly NewItem[], at: Ms): void {
  for (const { eventId } of items) if (!firstShown.has(eventId)) firstShown.set(eventId, at);
  for (const eventId of firstShown.keys()) {
    if (firstShown.size <= MAX_KEPT) break;
    firstShown.delete(eventId);
  }
}
