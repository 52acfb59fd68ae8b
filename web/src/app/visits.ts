import { recall, remember } from "./storage.ts";

const KEY = "candlewick.visited";

/** On a first visit there is no cache to read, so its code can wait until the candles are on the screen. */
export const visitedBefore: boolean = recall(KEY) !== null;

export const rememberVisit = (): void => remember(KEY, "1");
