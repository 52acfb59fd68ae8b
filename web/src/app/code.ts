const RETRY_MS = 2_000;

/**
 * Loads a part of the page, trying again until it comes. Whatever the reason of a failure, it means
 * that the server is away for the moment: the code itself was built and tested with the rest.
 */
export async function loadCode<T>(load: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
