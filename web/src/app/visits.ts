const KEY = "candlewick.visited";

function read(): boolean {
  try {
    return localStorage.getItem(KEY) !== null;
  } catch (error) {
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/** On a first visit there is no cache to read, so its code can wait until the candles are on the screen. */
export const visitedBefore: boolean = read();

export function rememberVisit(): void {
  try {
    localStorage.setItem(KEY, "1");
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
  }
}
