import { parseStreamEvent, type StreamEvent } from "../model/stream_event.ts";

export interface PollAnswer {
  readonly epoch: string;
  readonly cursor: string;
  /** False when the server could not continue from the cursor, so that everything must be fetched again. */
  readonly resumed: boolean;
  readonly events: readonly StreamEvent[];
  readonly more: boolean;
}

type Json = Record<string, unknown>;
const asRecord = (value: unknown): Json => (typeof value === "object" && value !== null ? (value as Json) : {});

/** One call of the stream's polling twin. Null when there was no usable answer; the caller backs off. */
export async function poll(
  get: typeof fetch,
  url: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<PollAnswer | null> {
  try {
    const at = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await get(url + at, { signal, cache: "no-store" });
    if (response.status !== 200) return null;
    const data = asRecord(await response.json());
    const wires = Array.isArray(data["events"]) ? data["events"].map(asRecord) : [];
    const events = wires.map((wire) => parseStreamEvent(String(wire["event"] ?? ""), wire["data"]));
    const refused = events.some((event) => event.kind === "hello" && !event.resumed);
    return {
      epoch: String(data["epoch"] ?? ""),
      cursor: String(data["cursor"] ?? ""),
      resumed: cursor !== null && data["resumed"] !== false && !refused,
      events,
      more: data["more"] === true,
    };
  } catch (error) {
    // No network, a cut answer and a page of HTML instead of JSON all mean the same: try again later.
    if (error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError) return null;
    throw error;
  }
}
