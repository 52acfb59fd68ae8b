import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { SeriesAnswer } from "../model/api_types.ts";
import { countText, momentText } from "../model/format.ts";
import { RESOLUTIONS, type ResolutionId, spokenOf } from "../model/resolution.ts";
import { seriesKey, shortName, splitKey, type Subject } from "../model/subject.ts";
import { ApiError, fetchSeries } from "../store/api.ts";
import { selectResolution, selectSubject } from "./navigation.ts";
import { prefs, resolution, selected, subjects } from "./state.ts";

interface Offer {
  readonly resolution: ResolutionId;
  readonly candles: number;
  readonly newest: string;
}

function toOffer(answer: SeriesAnswer): Offer[] {
  const newest = answer.buckets.at(-1);
  if (newest === undefined) return [];
  const { resolution: at } = splitKey(answer.key);
  return [{ resolution: at, candles: answer.buckets.length, newest: momentText(newest.start, prefs.value.zone) }];
}

/** Asks the coarser resolutions what they have: news older than one range is inside another. */
async function findOffers(subject: Subject, except: ResolutionId): Promise<Offer[]> {
  const asked = RESOLUTIONS.filter((row) => row.id !== except).map((row) => fetchSeries(seriesKey(subject, row.id)));
  const answers = await Promise.allSettled(asked);
  for (const answer of answers) {
    if (answer.status === "rejected" && !(answer.reason instanceof ApiError)) throw answer.reason;
  }
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? toOffer(answer.value) : []));
}

/** Says what is missing and leads to what there is. */
export function RangeOffers() {
  const offers = useSignal<readonly Offer[] | null>(null);
  const subject = selected.value;
  const at = resolution.value;
  useEffect(() => {
    let wanted = true;
    offers.value = null;
    if (subject !== null) void findOffers(subject, at).then((found) => wanted && (offers.value = found));
    return () => void (wanted = false);
  }, [subject, at]);
  const others = (subjects.value?.subjects ?? []).filter((row) => row.subject !== subject && row.count24h > 0).slice(0, 5);
  if (subject === null) return null;
  return (
    <div class="cover">
      <h2>No candles of {spokenOf(at)} for {shortName(subject)}</h2>
      {offers.value !== null && offers.value.length > 0 && (
        <>
          <p>There is news at these resolutions:</p>
          <div class="cover-offers">
            {offers.value.map((offer) => (
              <button key={offer.resolution} type="button" class="button" onClick={() => selectResolution(offer.resolution)}>
                {offer.resolution} · {countText(offer.candles)} {offer.candles === 1 ? "candle" : "candles"}, newest {offer.newest}
              </button>
            ))}
          </div>
        </>
      )}
      {offers.value?.length === 0 && <p>No news about it has been counted yet. The first article will appear here by itself.</p>}
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
