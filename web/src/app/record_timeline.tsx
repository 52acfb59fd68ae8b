import { latencyText } from "../model/format.ts";
import { type ArticleRecord, type FedRow, timeline } from "../model/record.ts";
import { type Ms, ms } from "../model/units.ts";
import { timeText } from "./record_rows.tsx";
import { prefs, serverNow } from "./state.ts";

/** A clock that is ahead makes the next step come before the last one; that is said, not hidden. */
const afterText = (after: Ms): string => (after < 0 ? `${latencyText(ms(-after))} before` : `+ ${latencyText(after)}`);

export function RecordTimeline({ record, fed, shownAt }: { record: ArticleRecord; fed: readonly FedRow[] | null; shownAt: Ms }) {
  const { zone } = prefs.value;
  const now = serverNow.peek();
  const steps = timeline(record, fed, shownAt);
  return (
    <section class="panel record-timeline" aria-label="From publication to this screen">
      <h2>From publication to this screen</h2>
      <ol class="timeline">
        {steps.map((step) => (
          <li key={step.name} class={step.at === null ? "timeline-unknown" : undefined}>
            <span class="timeline-name">{step.name}</span>
            <span class="timeline-note">{step.note}</span>
            <span class="timeline-at">
              {step.at === null ? "not known" : (
                <time dateTime={new Date(step.at).toISOString()} title={new Date(step.at).toISOString()}>
                  {timeText(step.at, now, zone)}
                </time>
              )}
            </span>
            <span class="timeline-after">{step.after === null ? "" : afterText(step.after)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
