/** A position in the change log. The epoch names the live generation, the cursor is opaque to the browser. */
export interface EventId {
  readonly epoch: string;
  readonly cursor: string;
}

/** `id: <epoch>.<cursor>`; the epoch has no dot, the cursor may have. Null for anything else. */
export function parseEventId(text: string): EventId | null {
  const dot = text.indexOf(".");
  if (dot <= 0 || dot === text.length - 1) return null;
  return { epoch: text.slice(0, dot), cursor: text.slice(dot + 1) };
}

export const formatEventId = (id: EventId): string => `${id.epoch}.${id.cursor}`;

/** The position with its epoch: a cursor alone would go on in whatever generation is live by then. */
export const positionIn = (epoch: string, cursor: string): string =>
  cursor.includes(".") ? cursor : formatEventId({ epoch, cursor });
