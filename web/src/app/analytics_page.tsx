import "./styles/later.css";
import "./styles/pages.css";
import "./styles/questions.css";
import "./styles/analytics.css";
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { type Facets, windowTotal } from "../model/facets.ts";
import { facetsQuery, isFiltered, withFilters } from "../model/filter_queries.ts";
import { type Filters, listFilters, NO_FILTERS } from "../model/filters.ts";
import { articlesText, momentText } from "../model/format.ts";
import { formatRoute } from "../model/route.ts";
import { CoveragePanel, DelayPanel, LabelPanel, NamesPanel, RatePanel, ScorePanel } from "./analytics_panels.tsx";
import { cutAt, DEFAULT_HOURS, hoursOf, useFacets } from "./analytics_state.ts";
import { CopyButtons } from "./copy_buttons.tsx";
import { filterText, rangeText } from "./filter_text.ts";
import { CloseIcon } from "./icons.tsx";
import { go } from "./navigation.ts";
import { follow } from "./page_link.tsx";
import { prefs, route } from "./state.ts";

const SPANS = [
  { hours: 1, text: "1 h", spoken: "Last hour" },
  { hours: 6, text: "6 h", spoken: "Last 6 hours" },
  { hours: 24, text: "24 h", spoken: "Last 24 hours" },
  { hours: 168, text: "7 d", spoken: "Last 7 days" },
] as const;

const spanFilter = (hours: number): string | null => (hours === DEFAULT_HOURS ? null : String(hours));
/** A chosen window lies in the span it was chosen in, so another span takes it off. */
const chooseSpan = (hours: number): void => go({ filters: withFilters(route.value.filters, { hours: spanFilter(hours), from: null, to: null }) });

function SpanBar() {
  const hours = hoursOf(route.value.filters);
  return (
    <div class="segments" role="group" aria-label="Span">
      {SPANS.map((row) => (
        <button key={row.hours} type="button" aria-pressed={hours === row.hours} aria-label={`${row.text}: ${row.spoken}`} title={row.spoken} onClick={() => chooseSpan(row.hours)}>
          {row.text}
        </button>
      ))}
    </div>
  );
}

function Chip({ text, remove }: { text: string; remove: Parameters<typeof withFilters>[1] }) {
  return (
    <button type="button" class="chip-button" aria-label={`Remove ${text}`} onClick={() => go({ filters: withFilters(route.value.filters, remove) })}>
      {text} <CloseIcon />
    </button>
  );
}

/** What the page is narrowed to; each can be taken off. */
function Chosen({ filters }: { filters: Filters }) {
  const { zone } = prefs.value;
  if (!isFiltered(filters)) return <p class="chosen muted">Press any column, bar or name to narrow everything else to it; with Shift, a stretch of time grows.</p>;
  const range = rangeText(filters, zone);
  const single = listFilters(filters).filter(([name]) => name !== "hours" && (range === null || (name !== "from" && name !== "to")));
  return (
    <div class="chosen" role="group" aria-label="Narrowed to">
      {single.map(([name, value]) => (
        <Chip key={name} text={filterText(name, value, zone)} remove={{ [name]: null }} />
      ))}
      {range !== null && <Chip text={range} remove={{ from: null, to: null }} />}
      <button type="button" class="link-button" onClick={() => go({ filters: withFilters(NO_FILTERS, filters.hours === undefined ? {} : { hours: filters.hours }) })}>
        Clear
      </button>
    </div>
  );
}

function Tools({ filters }: { filters: Filters }) {
  const said = useSignal("");
  const hours = hoursOf(filters);
  // The records page knows no default span: it is told the one that is looked at here.
  const records = { ...route.value, page: "records", id: null, filters: withFilters(filters, filters.from === undefined ? { hours: String(hours) } : { hours: null }) } as const;
  return (
    <div class="take-along">
      <span class="take-along-said muted" role="status">
        {said.value}
      </span>
      <CopyButtons curl={() => `curl '${location.origin}/api/v2/analytics/facets?${facetsQuery(filters, hours)}'`} said={said} />
      <a class="to-records" href={formatRoute(records)} onClick={(event) => follow(event, records)}>
        See these records
      </a>
    </div>
  );
}

function Nothing({ filters }: { filters: Filters }) {
  const longer = SPANS.filter(({ hours }) => hours > hoursOf(filters));
  return (
    <section class="panel nothing">
      <h2>{isFiltered(filters) ? "No article answers all of this" : "No news was taken in during this time"}</h2>
      <div class="nothing-offers">
        {longer.map((row) => (
          <button key={row.hours} type="button" class="button" onClick={() => chooseSpan(row.hours)}>
            {row.spoken}
          </button>
        ))}
        {isFiltered(filters) && (
          <button type="button" class="button" onClick={() => go({ filters: withFilters(NO_FILTERS, filters.hours === undefined ? {} : { hours: filters.hours }) })}>
            Without any filter
          </button>
        )}
      </div>
    </section>
  );
}

function Panels({ facets, filters }: { facets: Facets; filters: Filters }) {
  return (
    <>
      <RatePanel facets={facets} filters={filters} />
      <div class="panel-pair">
        <LabelPanel facets={facets} filters={filters} />
        <NamesPanel title="By model" name="model" rows={facets.models} filters={filters} empty="No model has scored." />
      </div>
      <ScorePanel facets={facets} filters={filters} />
      <DelayPanel title="Published → taken in" name="arrival" delays={facets.arrival} filters={filters} />
      <DelayPanel title="Taken in → scored" name="scoring" delays={facets.scoring} filters={filters} />
      <NamesPanel title="By source" name="source" rows={facets.sources} filters={filters} empty="No source has published in this time." />
      <NamesPanel title="By ticker" name="ticker" rows={facets.tickers} filters={filters} empty="No ticker was recognised." />
      <NamesPanel title="By tag" name="tag" rows={facets.tags} filters={filters} empty="No watch tag was recognised in these articles." />
      <CoveragePanel facets={facets} filters={filters} />
    </>
  );
}

function body(facets: Facets | null, problem: string | null, filters: Filters): ComponentChildren {
  if (facets !== null) {
    // Each dimension is counted without its own filter, so there may be bars to go on from although nothing answers all.
    const hasBars = facets.total > 0 || facets.windows.some((row) => windowTotal(row) > 0) || facets.coverage.length > 0;
    return (
      <>
        {facets.total === 0 && <Nothing filters={filters} />}
        {hasBars && <Panels facets={facets} filters={filters} />}
      </>
    );
  }
  if (problem !== null) {
    return (
      <section class="panel nothing">
        <h2>The counts could not be loaded</h2>
        <p>They appear here when the server answers again.</p>
      </section>
    );
  }
  return [8, 4, 4, 4, 4].map((width, i) => <div key={i} class={`panel skeleton analytics-skeleton span-${width}`} role={i === 0 ? "status" : undefined} aria-label={i === 0 ? "Loading the counts" : undefined} />);
}

export function AnalyticsPage() {
  const { filters } = route.value;
  const { facets, loadedAt, problem, busy, retry } = useFacets(filters);
  const cut = facets === null || busy ? null : cutAt(facets, filters);
  return (
    <main class="page analytics-page" id="main" tabIndex={-1}>
      <div class="page-head">
        <h1>
          Analytics
          {facets !== null && <span class="page-count">{articlesText(facets.total)}</span>}
        </h1>
        <SpanBar />
        <Tools filters={filters} />
      </div>
      <Chosen filters={filters} />
      {problem !== null && (
        <p class="tone-warn page-problem" role="status">
          ◆ {problem} {facets !== null && loadedAt !== null && `What is shown is from ${momentText(loadedAt, prefs.value.zone)}. `}
          <button type="button" class="link-button" onClick={retry}>
            Try again
          </button>
        </p>
      )}
      {facets?.wholeFrom != null && <p class="muted page-problem">◆ Too many articles to look at; everything is counted from {momentText(facets.wholeFrom, prefs.value.zone)} on.</p>}
      {cut !== null && <p class="muted page-problem">◆ The counts do not reach back to the chosen beginning; everything is counted from {momentText(cut, prefs.value.zone)} on.</p>}
      <div class={`analytics${facets !== null && (problem !== null || busy) ? " stale" : ""}`} aria-busy={busy}>
        {body(facets, problem, filters)}
      </div>
    </main>
  );
}
