import { effect } from "@preact/signals";
import { parseSwaps, swapText } from "../model/swaps.ts";
import { ApiError, getJson } from "../store/api.ts";
import { flags, sync } from "./state.ts";

const RETRY_MS = 10_000;

async function load(): Promise<void> {
  try {
    flags.value = parseSwaps(await getJson("/generations")).map((swap) => ({ at: swap.at, text: swapText(swap) }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    setTimeout(() => void load(), RETRY_MS);
  }
}

/** Marks on the charts when another generation went live; asked for again whenever the stream says that one did. */
export function followSwaps(): void {
  // A stream that resumes names no epoch, so the first question does not wait for one.
  let asked = sync.peek().epoch;
  void load();
  effect(() => {
    const { epoch } = sync.value;
    if (epoch === null || epoch === asked) return;
    asked = epoch;
    void load();
  });
}
