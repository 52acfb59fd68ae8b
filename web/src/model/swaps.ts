import { raw, rawList, textOf } from "./raw.ts";
import { type Ms, parseIso } from "./units.ts";
import type { Generations, Swap as WireSwap } from "./wire.ts";

/** The moment another generation went live: candles on either side of it were read as two different histories. */
export interface Swap {
  readonly at: Ms;
  readonly generation: string;
  readonly previous: string;
  readonly back: boolean;
  readonly reason: string;
}

/** Oldest first. */
export function parseSwaps(value: unknown): Swap[] {
  return rawList<WireSwap>(raw<Generations>(value).swaps).flatMap((wire) => {
    const at = parseIso(wire.at);
    if (at === null) return [];
    const back = wire.action === "rollback";
    return [{ at, generation: textOf(wire.generation), previous: textOf(wire.previous), back, reason: textOf(wire.reason) }];
  });
}

export const swapText = ({ generation, back }: Swap): string => `${generation} ${back ? "live again" : "live"}`;
