import type { Label } from "./bucket.ts";
import type { FilterName } from "./filters.ts";
import { ageText } from "./format.ts";
import { numberOf, type Raw, raw, rawList, textOf } from "./raw.ts";
import { isResolution, type ResolutionId } from "./resolution.ts";
import { parseSubject, type Subject } from "./subject.ts";
import { type Ms, ms, parseIso, SECOND } from "./units.ts";
import type { Coverage, Delays as WireDelays, Facets as WireFacets, FacetWindow, LabelCounts, NamedCount } from "./wire.ts";

type Labels = Readonly<Record<Label, number>>;

export interface Window extends Labels {
  readonly start: Ms;
  readonly end: Ms;
}

export interface Named {
  readonly name: string;
  readonly count: number;
}

export interface Delays {
  /** The upper edge of each bin; null for what is longer than all of them. */
  readonly edges: readonly (Ms | null)[];
  readonly counts: readonly number[];
  readonly count: number;
  readonly p50: Ms | null;
  readonly p95: Ms | null;
}

export interface CoverageRow {
  readonly subject: Subject;
  readonly counts: readonly number[];
}

/** Articles along every dimension, each counted under the filters on the others. */
export interface Facets {
  readonly resolution: ResolutionId;
  readonly total: number;
  readonly wholeFrom: Ms | null;
  readonly windows: readonly Window[];
  readonly labels: Labels;
  readonly sources: readonly Named[];
  readonly models: readonly Named[];
  readonly tags: readonly Named[];
  readonly tickers: readonly Named[];
  readonly scores: readonly number[];
  readonly arrival: Delays;
  readonly scoring: Delays;
  readonly coverage: readonly CoverageRow[];
}

const count = (value: unknown): number => numberOf(value) ?? 0;
const counts = (value: unknown): number[] => (Array.isArray(value) ? value.map(count) : []);
const millis = (value: unknown): Ms | null => {
  const found = numberOf(value);
  return found === null ? null : ms(found);
};

const parseLabels = (wire: Raw<LabelCounts>): Labels => ({
  positive: count(wire.positive),
  neutral: count(wire.neutral),
  negative: count(wire.negative),
});

function parseWindow(wire: Raw<FacetWindow>): Window[] {
  const [start, end] = [parseIso(wire.start), parseIso(wire.end)];
  if (start === null || end === null) return [];
  return [{ start, end, ...parseLabels(wire) }];
}

const parseNamed = (value: unknown): Named[] =>
  rawList<NamedCount>(value).map((wire) => ({ name: textOf(wire.name), count: count(wire.count) }));

function parseDelays(value: unknown): Delays {
  const wire = raw<WireDelays>(value);
  return {
    edges: [...counts(wire.edges_ms).map(ms), null],
    counts: counts(wire.counts),
    count: count(wire.count),
    p50: millis(wire.p50_ms),
    p95: millis(wire.p95_ms),
  };
}

function parseCoverage(wire: Raw<Coverage>): CoverageRow[] {
  const subject = parseSubject(textOf(wire.subject));
  return subject === null ? [] : [{ subject, counts: counts(wire.counts) }];
}

/** Null when the answer is not a set of facets: the caller reports it as a server of another version. */
export function parseFacets(value: unknown): Facets | null {
  const wire = raw<WireFacets>(value);
  if (!isResolution(wire.resolution) || !Array.isArray(wire.windows)) return null;
  return {
    resolution: wire.resolution,
    total: count(wire.total),
    wholeFrom: parseIso(wire.whole_from),
    windows: rawList<FacetWindow>(wire.windows).flatMap(parseWindow),
    labels: parseLabels(raw<LabelCounts>(wire.labels)),
    sources: parseNamed(wire.sources),
    models: parseNamed(wire.models),
    tags: parseNamed(wire.tags),
    tickers: parseNamed(wire.tickers),
    scores: counts(wire.scores),
    arrival: parseDelays(wire.arrival),
    scoring: parseDelays(wire.scoring),
    coverage: rawList<Coverage>(wire.coverage).flatMap(parseCoverage),
  };
}

export const windowTotal = (window: Window): number => window.positive + window.neutral + window.negative;

const NICE = [1, 1.5, 2, 3, 4, 5, 6, 8, 10] as const;

/** The next number that people say: an axis ends on it, and not far above what it holds. */
export function niceCeiling(value: number): number {
  if (value <= 1) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  const step = NICE.find((factor) => factor * ten >= value && Number.isInteger(factor * ten)) ?? 10;
  return step * ten;
}

/** Shares in [0, 1] of the ceiling; a bin that is not empty is never drawn as if it were. */
export function heights(values: readonly number[], ceiling: number, least = 0.02): number[] {
  return values.map((value) => (value === 0 ? 0 : Math.max(least, value / ceiling)));
}

/** The height of a coverage column as a share of its place: by the root of the count, so that a quiet subject shows beside a busy one. */
export function coverageHeight(value: number, most: number): number {
  if (value <= 0 || most <= 0) return 0;
  return Math.max(0.12, Math.sqrt(value / most));
}

/** The name of a polarity bin by its place (0 … 19), as the API takes it. */
export const scoreName = (place: number): string => String(place - 10);

/** The edges of a polarity bin in tenths. */
export const scoreEdges = (name: string): readonly [number, number] => [Number(name) / 10, (Number(name) + 1) / 10];

export const delayName = (edge: Ms | null): string => (edge === null ? "longer" : String(edge));

/** `10 ms`, `2 s`, `5 min`, `24 h`: an edge as people say it. */
export function edgeText(edge: Ms): string {
  if (edge < SECOND) return `${edge} ms`;
  return edge === 86_400_000 ? "24 h" : ageText(edge);
}

/** `≤ 2 s`; a percentile is known to its bin only. */
export function percentileText(delays: Delays, which: "p50" | "p95"): string {
  if (delays.count === 0) return "—";
  const edge = delays[which];
  return edge === null ? "> 24 h" : `≤ ${edgeText(edge)}`;
}

/** What a delay bin holds: `1 s – 2 s`, `up to 10 ms`, `over 24 h`. Without the edges its upper one has to do. */
export function delayText(edges: readonly (Ms | null)[], name: string): string {
  if (name === "longer") return "over 24 h";
  const edge = ms(Number(name));
  const below = edges[edges.indexOf(edge) - 1] ?? null;
  return below === null ? `up to ${edgeText(edge)}` : `${edgeText(below)} – ${edgeText(edge)}`;
}

/** The filter a subject stands for. */
export const subjectFilter = (subject: Subject): { readonly name: FilterName; readonly value: string } =>
  subject.startsWith("tag:") ? { name: "tag", value: subject.slice(4) } : { name: "ticker", value: subject };
