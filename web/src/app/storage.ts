/** What the browser has refused to keep; it serves as long as the page is open. */
const unkept = new Map<string, string>();

/** What the browser keeps between two visits. Where there is no storage, or it is forbidden or full, nothing is kept. */
export function recall(key: string): string | null {
  try {
    return unkept.get(key) ?? localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key: string, text: string): void {
  try {
    localStorage.setItem(key, text);
    unkept.delete(key);
  } catch {
    unkept.set(key, text);
  }
}
