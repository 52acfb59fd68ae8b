import "./styles/later.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import { countText, momentText } from "../model/format.ts";
import { RESOLUTIONS, type ResolutionId, spokenOf } from "../model/resolution.ts";
import { seriesKey, shortName, splitKey, type Subject } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { ApiError, fetchSeries } from "../store/api.ts";
import { selectResolution, selectSubject } from "./navigation.ts";
import { prefs, resolution, selected, subjects } from "./state.ts";

interface Offer {
  readonly resolution: ResolutionId;
  readonly candles: number;
  readonly newest: Ms;
}

interface Found {
  readonly offers: readonly Offer[];
  /** Why not every resolution has answered; null when all have. */
  readonly problem: string | null;
}

function toOffer(answer: SeriesAnswer): Offer[] {
  const newest = answer.buckets.at(-1);
  if (newest === undefined) return [];
  return [{ resolution: splitKey(answer.key).resolution, candles: answer.buckets.length, newest: newest.start }];
}

/** Asks the other resolutions what they have: news older than one range is inside another. */
async function findOffers(subject: Subject, except: ResolutionId): Promise<Found> {
  const asked = RESOLUTIONS.filter((row) => row.id !== except).map((row) => fetchSeries(seriesKey(subject, row.id)));
  const offers: Offer[] = [];
  let problem: string | null = null;
  for (const answer of await Promise.allSettled(asked)) {
    if (answer.status === "fulfilled") offers.push(...toOffer(answer.value));
    else if (answer.reason instanceof ApiError) problem = answer.reason.message;
    else throw answer.reason;
  }
  return { offers, problem };
}

/** Says what is missing and leads to what there is. */
export function RangeOffers() {
  const found = useSignal<Found | null>(null);
  const tries = useSignal(0);
  const subject = selected.value;
  const at = resolution.value;
  useEffect(() => {
    let wanted = true;
    found.value = null;
    if (subject !== null) void findOffers(subject, at).then((answer) => wanted && (found.value = answer));
    return () => void (wanted = false);
  }, [subject, at, tries.value]);
  const { offers, problem } = found.value ?? { offers: [], problem: null };
  const others = (subjects.value?.subjects ?? []).filter((row) => row.subject !== subject && row.count24h > 0).slice(0, 5);
  if (subject === null) return null;
  return (
    <div class="cover">
      <h2>No candles of {spokenOf(at)} for {shortName(subject)}</h2>
      {offers.length > 0 && (
        <>
          <p>There is news at these resolutions:</p>
          <div class="cover-offers">
            {offers.map((offer) => (
              <button key={offer.resolution} type="button" class="button" onClick={() => selectResolution(offer.resolution)}>
                {offer.resolution} · {countText(offer.candles)} {offer.candles === 1 ? "candle" : "candles"}, newest {momentText(offer.newest, prefs.value.zone)}
              </button>
            ))}
          </div>
        </>
      )}
      {found.value?.problem === null && offers.length === 0 && (
        <p>No news about it has been counted yet. Once a source brings an article, it appears here by itself.</p>
      )}
      {problem !== null && (
        <p role="alert">
          What other resolutions have could not be loaded. {problem}{" "}
          <button type="button" class="link-button" onClick={() => (tries.value += 1)}>
            Try again
          </button>
        </p>
      )}
      {others.length > 0 && (
        <>
          <p>Subjects with news in the last 24 hours:</p>
          <div class="cover-offers">
            {others.map((row) => (
              <button key={row.subject} type="button" class="button" onClick={() => selectSubject(row.subject)}>
                {shortName(row.subject)} · {countText(row.count24h)}
              </button>
            ))}
          </div>
        </>
      )}
    </div>
  );
}
