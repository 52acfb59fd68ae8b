import { raw, rawList, textOf } from "../model/raw.ts";
import { parseStreamEvent, type StreamEvent } from "../model/stream_event.ts";
import { type Ms, ms } from "../model/units.ts";
import type { ChangeEvent, Changes } from "../model/wire.ts";

export interface PollAnswer {
  readonly epoch: string;
  readonly cursor: string;
  /** False when the server could not continue from the cursor, so that everything must be fetched again. */
  readonly resumed: boolean;
  readonly events: readonly StreamEvent[];
  readonly more: boolean;
  /** The second in which the server answered; null when it did not say. */
  readonly serverTime: Ms | null;
}

function dateOf(response: Response): Ms | null {
  const at = Date.parse(response.headers.get("Date") ?? "");
  return Number.isNaN(at) ? null : ms(at);
}

/** No usable answer; `retryAfter` is the header of that name, if there was one. */
export interface Refusal {
  readonly retryAfter: string | null;
}

/** One call of the stream's polling twin. After a refusal the caller backs off. */
export async function poll(
  get: typeof fetch,
  url: string,
  cursor: string | null,
  signal: AbortSignal,
): Promise<PollAnswer | Refusal> {
  try {
    const at = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const response = await get(url + at, { signal, cache: "no-store" });
    if (response.status !== 200) return { retryAfter: response.headers.get("Retry-After") };
    const answer = raw<Changes>(await response.json());
    const events = rawList<ChangeEvent>(answer.events).map((wire) => parseStreamEvent(textOf(wire.event), wire.data));
    return {
      epoch: textOf(answer.epoch),
      cursor: textOf(answer.cursor),
      resumed: cursor !== null && answer.resumed !== false,
      events,
      more: answer.more === true,
      serverTime: dateOf(response),
    };
  } catch (error) {
    // No network, a cut answer and a page of HTML instead of JSON all mean the same: try again later.
    if (error instanceof TypeError || error instanceof DOMException || error instanceof SyntaxError) return { retryAfter: null };
    throw error;
  }
}
