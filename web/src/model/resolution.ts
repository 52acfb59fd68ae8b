import { type Ms, ms } from "./units.ts";

/** The eight resolutions, finest first; `slotMs` is only used to draw the space between two buckets. */
export const RESOLUTIONS = [
  { id: "1m", spoken: "1 minute", slotMs: ms(60_000) },
  { id: "5m", spoken: "5 minutes", slotMs: ms(300_000) },
  { id: "10m", spoken: "10 minutes", slotMs: ms(600_000) },
  { id: "1h", spoken: "1 hour", slotMs: ms(3_600_000) },
  { id: "3h", spoken: "3 hours", slotMs: ms(10_800_000) },
  { id: "6h", spoken: "6 hours", slotMs: ms(21_600_000) },
  { id: "12h", spoken: "12 hours", slotMs: ms(43_200_000) },
  { id: "24h", spoken: "24 hours", slotMs: ms(86_400_000) },
] as const;

export type ResolutionId = (typeof RESOLUTIONS)[number]["id"];

export const DEFAULT_RESOLUTION: ResolutionId = "1m";

export function isResolution(value: unknown): value is ResolutionId {
  return RESOLUTIONS.some((row) => row.id === value);
}

function row(id: ResolutionId): (typeof RESOLUTIONS)[number] {
  const found = RESOLUTIONS.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`unknown resolution ${id}`);
  return found;
}

export const slotMsOf = (id: ResolutionId): Ms => row(id).slotMs;
export const spokenOf = (id: ResolutionId): string => row(id).spoken;

/** The finer and the coarser neighbour: what a reader is likely to switch to next. */
export function neighboursOf(id: ResolutionId): ResolutionId[] {
  const at = RESOLUTIONS.findIndex((candidate) => candidate.id === id);
  return [RESOLUTIONS[at - 1]?.id, RESOLUTIONS[at + 1]?.id].filter((found) => found !== undefined);
}
