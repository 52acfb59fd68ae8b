import type { Link } from "./protocol.ts";
import { ageText } from "./format.ts";
import type { Heartbeat } from "./stream_event.ts";
import { addMs, MINUTE, type Ms, ms, SECOND } from "./units.ts";

export type PillState = "live" | "delayed" | "reconnecting" | "polling" | "offline";

export interface Pill {
  readonly state: PillState;
  readonly label: string;
  /** One sentence for the tooltip and for screen readers. */
  readonly explanation: string;
  /** The age of the newest event the server has taken in; null until the server has told. */
  readonly newestAge: Ms | null;
}

/** A heartbeat comes every 10 s; one and a half without any message and the page no longer says "Live". */
export const QUIET_AFTER = ms(15_000);
/** Processing further behind than this is a delay a reader should know of. */
const LAG_LIMIT = ms(30_000);

type Words = readonly [PillState, string, string];
const delayed = (why: string): Words => ["delayed", "Delayed", why];

/** What speaks against news that should be arriving; null when nothing does. */
function doubt({ heardAt }: Link, now: Ms, crowded: boolean): Words | null {
  const quiet = heardAt === null ? ms(0) : ms(now - heardAt);
  if (quiet > QUIET_AFTER) return delayed(`Nothing has been heard from the server for ${ageText(quiet)}.`);
  return crowded ? delayed("Other tabs leave no room in the stream; this page asks every 10 s.") : null;
}

/** How long the newest article took, while that is news: a minute after it was there it says nothing of the present. */
export const lagNow = ({ newestIngestAt, lag }: Pick<Heartbeat, "newestIngestAt" | "lag">, serverNow: Ms): Ms | null =>
  lag !== null && serverNow - (newestIngestAt ?? 0) - lag < MINUTE ? lag : null;

function openPill({ heartbeat }: Link, serverNow: Ms): Words {
  if (heartbeat?.storeUp === false) return delayed("The server cannot reach its store; nothing new can be shown.");
  const lag = heartbeat && lagNow(heartbeat, serverNow);
  if (lag !== null && lag > LAG_LIMIT) return delayed(`The server is ${ageText(lag)} behind the news it has received.`);
  return ["live", "Live", "Connected; every change is shown as it happens."];
}

function words(link: Link, now: Ms, serverNow: Ms, crowded: boolean): Words {
  switch (link.phase) {
    case "open":
      return doubt(link, now, crowded) ?? openPill(link, serverNow);
    case "connecting":
      return ["reconnecting", link.failures === 0 ? "Connecting" : "Reconnecting", "Opening the stream."];
    case "waiting": {
      const wait = link.retryAt === null ? 0 : Math.max(0, Math.ceil((link.retryAt - now) / SECOND));
      return ["reconnecting", "Reconnecting", `${link.detail ?? ""} Trying again in ${wait} s.`];
    }
    case "polling":
      return doubt(link, now, crowded) ?? ["polling", "Polling", "The stream is unavailable; this page asks every 2 s."];
    case "paused":
      return ["delayed", "Paused", "Updates are paused while the page is hidden."];
    case "offline":
      return ["offline", "Offline", "The browser has no network. What is shown is the last known state."];
    case "stopped":
      return ["offline", "Stopped", link.detail ?? ""];
  }
}

/** Never says "Live" unless the stream is open, recently heard from, carries this page's series and is not behind. */
export function pill(link: Link, now: Ms, crowded = false): Pill {
  const serverNow = addMs(now, link.clockOffset);
  const [state, label, explanation] = words(link, now, serverNow, crowded);
  const newest = link.heartbeat?.newestIngestAt ?? null;
  return { state, label, explanation, newestAge: newest === null ? null : ms(serverNow - newest) };
}
