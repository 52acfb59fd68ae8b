import { useSignal } from "@preact/signals";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import type { ComponentChildren, TargetedEvent } from "preact";
import { fromDateInput, toDateInput } from "../model/date_input.ts";
import type { Named } from "../model/facets.ts";
import { withFilters } from "../model/filter_queries.ts";
import { type FilterName, listFilters, MAX_HOURS, NO_FILTERS, readFilter } from "../model/filters.ts";
import { countText } from "../model/format.ts";
import { formatIso, parseIso } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchFacets } from "../store/facets_api.ts";
import { delayEdges, filterText } from "./filter_text.ts";
import { CloseIcon } from "./icons.tsx";
import { go } from "./navigation.ts";
import { nameOf, prefs, route, subjects } from "./state.ts";

export const setFilters = (change: Readonly<Partial<Record<FilterName, string | null>>>): void => {
  go({ filters: withFilters(route.value.filters, change) });
};

/** What there is to choose from: the names of the last seven days. */
function useChoices(): { sources: readonly Named[]; models: readonly Named[]; tags: readonly Named[] } {
  const choices = useSignal<{ sources: readonly Named[]; models: readonly Named[]; tags: readonly Named[] }>({ sources: [], models: [], tags: [] });
  useEffect(() => {
    const abort = new AbortController();
    fetchFacets(NO_FILTERS, MAX_HOURS, abort.signal).then(
      (facets) => {
        choices.value = facets;
        delayEdges.value = facets.arrival.edges;
      },
      (error: unknown) => {
        // Without suggestions every field still takes what is typed; the list tells of a server that is away.
        if (!(error instanceof ApiError) && !abort.signal.aborted) throw error;
      },
    );
    return () => abort.abort();
  }, []);
  return choices.value;
}

function Field({ label, children }: { label: string; children: (id: string) => ComponentChildren }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(id)}
    </div>
  );
}

/**
 * Keeps a field at the address's value, but for what the reader is typing; what was typed and refused goes with the next
 * address. The field itself stays, and with it the focus.
 */
function useTyped(value: string, commit: (text: string) => void) {
  const ref = useRef<HTMLInputElement>(null);
  const typing = useRef(false);
  const wrong = useSignal(false);
  useLayoutEffect(() => {
    if (typing.current || ref.current === null) return;
    ref.current.value = value;
    wrong.value = false;
  }, [value, JSON.stringify(route.value.filters)]);
  const done = (event: TargetedEvent<HTMLInputElement>): void => {
    typing.current = false;
    commit(event.currentTarget.value);
  };
  return { field: { ref, onInput: () => void (typing.current = true) }, typing, wrong, done };
}

/**
 * A field that is asked when the reader leaves it or presses Enter, not at every letter. What was typed and taken back is
 * no change to a browser, so that it is left is heard too.
 */
function TextField({ label, name, placeholder, suggest }: { label: string; name: "ticker" | "tag"; placeholder: string; suggest: readonly { value: string; label: string }[] }) {
  const value = route.value.filters[name] ?? "";
  const listId = useId();
  const { field, typing, wrong, done } = useTyped(value, (typed) => {
    const text = typed.trim();
    const read = text === "" ? null : readFilter(name, text);
    wrong.value = text !== "" && read === null;
    if (wrong.value) return;
    if (field.ref.current !== null) field.ref.current.value = read ?? "";
    setFilters({ [name]: read });
  });
  return (
    <Field label={label}>
      {(id) => (
        <>
          <input
            {...field}
            id={id}
            class="control"
            list={listId}
            placeholder={placeholder}
            autocomplete="off"
            spellcheck={false}
            maxLength={60}
            aria-invalid={wrong.value}
            aria-describedby={wrong.value ? `${id}-wrong` : undefined}
            onChange={done}
            onBlur={(event) => typing.current && done(event)}
          />
          <datalist id={listId}>
            {suggest.map((row) => (
              <option key={row.value} value={row.value} label={row.label} />
            ))}
          </datalist>
          {wrong.value && (
            <span id={`${id}-wrong`} class="field-wrong" role="alert">
              Not a {name}
            </span>
          )}
        </>
      )}
    </Field>
  );
}

/** A choice; one that came with the address is offered even when the last week does not know it. */
function SelectField({ label, name, rows }: { label: string; name: "source" | "model"; rows: readonly Named[] }) {
  const value = route.value.filters[name] ?? "";
  const known = rows.some((row) => row.name === value);
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} class="control" value={value} onChange={(event) => setFilters({ [name]: event.currentTarget.value || null })}>
          <option value="">Any</option>
          {!known && value !== "" && <option value={value}>{value}</option>}
          {rows.map((row) => (
            <option key={row.name} value={row.name}>
              {row.name} ({countText(row.count)})
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

const LABELS = [
  { value: null, text: "All" },
  { value: "positive", text: "▲", name: "Positive" },
  { value: "neutral", text: "◆", name: "Neutral" },
  { value: "negative", text: "▼", name: "Negative" },
] as const;

function LabelField() {
  const chosen = route.value.filters.label ?? null;
  return (
    <div class="field" role="group" aria-label="Label">
      <span class="field-name" aria-hidden="true">Label</span>
      <div class="segments">
        {LABELS.map((row) => (
          <button
            key={row.text}
            type="button"
            class={row.value === null ? undefined : `tone-${row.value}`}
            aria-pressed={chosen === row.value}
            aria-label={row.value === null ? "All labels" : row.name}
            title={row.value === null ? "All labels" : row.name}
            onClick={() => setFilters({ label: row.value })}
          >
            {row.text}
          </button>
        ))}
      </div>
    </div>
  );
}

const SPANS = [
  { value: "", text: "Any time" },
  { value: "1", text: "Last hour" },
  { value: "6", text: "Last 6 hours" },
  { value: "24", text: "Last 24 hours" },
  { value: "168", text: "Last 7 days" },
] as const;
const RANGE = "range";

function TimeField() {
  const { filters } = route.value;
  const hasRange = filters.from !== undefined || filters.to !== undefined;
  const asked = useSignal(false);
  const ranged = hasRange || (asked.value && filters.hours === undefined);
  const value = ranged ? RANGE : (filters.hours ?? "");
  const choose = (text: string): void => {
    asked.value = text === RANGE;
    setFilters(text === RANGE ? { hours: null } : { hours: text || null, from: null, to: null });
  };
  return (
    <>
      <Field label="Taken in">
        {(id) => (
          <select id={id} class="control" value={value} onChange={(event) => choose(event.currentTarget.value)}>
            {SPANS.map((row) => (
              <option key={row.value} value={row.value}>
                {row.text}
              </option>
            ))}
            {filters.hours !== undefined && !ranged && !SPANS.some((row) => row.value === filters.hours) && (
              <option value={filters.hours}>Last {filters.hours} hours</option>
            )}
            <option value={RANGE}>Between …</option>
          </select>
        )}
      </Field>
      {ranged && <RangeField name="from" label="From" />}
      {ranged && <RangeField name="to" label="Before" />}
    </>
  );
}

/**
 * Asked when it is left or with Enter: a browser calls a date changed after each of its digits. Only what was typed is
 * asked for: the text alone knows neither seconds nor which of two equal hours it was.
 */
function RangeField({ name, label }: { name: "from" | "to"; label: string }) {
  const { zone } = prefs.value;
  const at = parseIso(route.value.filters[name]);
  const { field, typing, done } = useTyped(at === null ? "" : toDateInput(at, zone), (text) => {
    const found = fromDateInput(text, zone);
    setFilters({ [name]: found === null ? null : formatIso(found), hours: null });
  });
  return (
    <Field label={`${label}${zone === "utc" ? " (UTC)" : ""}`}>
      {(id) => (
        <input
          {...field}
          id={id}
          class="control"
          type="datetime-local"
          onBlur={(event) => typing.current && done(event)}
          onKeyDown={(event) => event.key === "Enter" && typing.current && done(event)}
        />
      )}
    </Field>
  );
}

const BINS = ["score", "arrival", "scoring"] as const;

/** Bins, and a span beside an end of its own, come from the analytics page; here they can be taken off. */
function Chips() {
  const { filters } = route.value;
  const isRange = filters.from !== undefined || filters.to !== undefined;
  return (
    <>
      {[...BINS, ...(isRange ? (["hours"] as const) : [])].map((name) => {
        const value = filters[name];
        if (value === undefined) return null;
        return (
          <button key={name} type="button" class="chip-button" onClick={() => setFilters({ [name]: null })} aria-label={`Remove ${filterText(name, value, prefs.value.zone)}`}>
            {filterText(name, value, prefs.value.zone)} <CloseIcon />
          </button>
        );
      })}
    </>
  );
}

/** The question, field by field; the address holds it, so a link asks the same. */
export function RecordFilters() {
  const choices = useChoices();
  const { filters } = route.value;
  const tickers = (subjects.value?.subjects ?? []).filter((row) => !row.subject.startsWith("tag:"));
  const count = listFilters(filters).length;
  // On a phone the fields would push the records off the screen; there they are folded.
  const open = useSignal(false);
  return (
    <>
      <button type="button" class="button filters-fold" aria-expanded={open.value} aria-controls="record-filters" onClick={() => (open.value = !open.value)}>
        Filters{count > 0 && ` (${countText(count)})`}
      </button>
      <form id="record-filters" class={`filters panel${open.value ? " is-open" : ""}`} aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <TextField label="Ticker" name="ticker" placeholder="AAPL" suggest={tickers.map((row) => ({ value: row.subject, label: nameOf(row.subject) }))} />
        <TextField label="Tag" name="tag" placeholder="ai-regulation" suggest={choices.tags.map((row) => ({ value: row.name, label: countText(row.count) }))} />
        <SelectField label="Source" name="source" rows={choices.sources} />
        <LabelField />
        <SelectField label="Model" name="model" rows={choices.models} />
        <TimeField />
        <Chips />
        <button type="button" class="button filters-clear" disabled={count === 0} onClick={() => go({ filters: NO_FILTERS })}>
          Clear
        </button>
      </form>
    </>
  );
}

