import type { ResolutionId } from "./resolution.ts";
import type { BucketUpdate, Heartbeat, NewItem } from "./stream_event.ts";
import type { Subject } from "./subject.ts";
import { type Ms, ms } from "./units.ts";

/** What travels between the pages and the one worker that owns the connection. */
export type PageMessage =
  | {
      readonly type: "subscribe";
      readonly subjects: readonly Subject[];
      readonly resolutions: readonly ResolutionId[];
      readonly version: number;
    }
  /** The position of the page's first REST answer: the stream starts there and nothing falls between. */
  | { readonly type: "seed"; readonly cursor: string | null }
  | { readonly type: "visibility"; readonly hidden: boolean }
  /** A page hears of the network before its worker does, and some browsers tell workers nothing at all. */
  | { readonly type: "network"; readonly online: boolean }
  | { readonly type: "retry" }
  | { readonly type: "leave" };

export type WorkerMessage =
  | { readonly type: "link"; readonly link: Link }
  /** To a page that joins later: the live generation, as the stream has named it before. */
  | { readonly type: "epoch"; readonly epoch: string }
  /** From here on the worker delivers every change of the subscription `version`; the page may now fetch. */
  | { readonly type: "attached"; readonly version: number; readonly accepted: boolean }
  | { readonly type: "updates"; readonly updates: readonly BucketUpdate[] }
  | { readonly type: "items"; readonly items: readonly NewItem[] }
  | { readonly type: "resync"; readonly epoch: string };

/** The state of the connection as facts; the pill's words are made from it in `health.ts`. */
export interface Link {
  readonly phase: "connecting" | "open" | "polling" | "waiting" | "offline" | "paused" | "stopped";
  readonly failures: number;
  readonly retryAt: Ms | null;
  /** When the last message of any kind arrived, by the browser's clock. */
  readonly heardAt: Ms | null;
  readonly detail: string | null;
  readonly heartbeat: Heartbeat | null;
  /** The server's clock minus the browser's, from the last heartbeat or, while polling, from the answer's date. */
  readonly clockOffset: Ms;
}

export const INITIAL_LINK: Link = {
  phase: "connecting",
  failures: 0,
  retryAt: null,
  heardAt: null,
  detail: null,
  heartbeat: null,
  clockOffset: ms(0),
};

/** An answer with candles may be as old as the server keeps one (a second) and somewhat more; the stream makes up for it. */
export const KEPT_FOR = ms(2_000);

/** The server's limit per connection; the hub never asks for more. */
export const MAX_SERIES_PER_CONNECTION = 20;
