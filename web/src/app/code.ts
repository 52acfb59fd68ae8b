import { signal } from "@preact/signals";

const RETRY_MS = 2_000;
const RARE_RETRY_MS = 15_000;
/** So many failures are passed over in silence: a server that is started anew is back by then. */
const MAX_QUIET = 3;

/** How many parts do not come; the reader is told. */
export const missingParts = signal(0);

const asked = new Map<() => Promise<unknown>, Promise<unknown>>();

/** Loads a part of the page, once for however many ask, and tries again until it comes. */
export function loadCode<T>(load: () => Promise<T>): Promise<T> {
  const part = asked.get(load) ?? keepTrying(load);
  asked.set(load, part);
  return part as Promise<T>;
}

/**
 * The server may be away for the moment; or it has a newer version, without the file this one asks for, and only a
 * page that is loaded anew can have the part.
 */
async function keepTrying<T>(load: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      const part = await load();
      if (failures >= MAX_QUIET) missingParts.value -= 1;
      return part;
    } catch {
      failures += 1;
      if (failures === MAX_QUIET) missingParts.value += 1;
      await new Promise((resolve) => setTimeout(resolve, failures < MAX_QUIET ? RETRY_MS : RARE_RETRY_MS));
    }
  }
}
