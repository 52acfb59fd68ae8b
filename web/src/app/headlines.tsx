import "./styles/headlines.css";
import { labelMark } from "../model/candle_text.ts";
import { ageText } from "../model/format.ts";
import type { NewItem } from "../model/stream_event.ts";
import { shortName } from "../model/subject.ts";
import { ms } from "../model/units.ts";
import { selectSubject } from "./navigation.ts";
import { headlines, serverNow } from "./state.ts";

const MAX_SHOWN = 8;

/** One story may concern several subjects and comes once for each; the list names it once. */
function distinct(items: readonly NewItem[]): readonly NewItem[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    if (item.title === "" || seen.has(item.title)) return false;
    seen.add(item.title);
    return true;
  });
}

/** What has come in since the page was opened, newest first: the proof that the line is alive. */
export function Headlines() {
  const shown = distinct(headlines.value).slice(0, MAX_SHOWN);
  if (shown.length === 0) return null;
  return (
    <section class="headlines" aria-label="Just in">
      <h2 class="panel-title">Just in</h2>
      <ul>
        {shown.map((item) => (
          <li key={item.eventId}>
            <button type="button" class="headline" onClick={() => selectSubject(item.subject)}>
              <span class="headline-text" dir="auto">
                <span class={`mark ${item.label === null ? "muted" : `tone-${item.label}`}`} aria-label={item.label ?? "not scored"} role="img">
                  {labelMark(item.label)}
                </span>
                {item.title}
              </span>
              <span class="headline-meta">
                {shortName(item.subject)}
                {item.at !== null && ` · ${ageText(ms(serverNow.value - item.at))} ago`}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
