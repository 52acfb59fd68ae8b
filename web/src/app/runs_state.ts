import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { ApiError } from "../store/api.ts";
import { sync } from "./state.ts";

const RUNNING_REFRESH_MS = 2_000;
const REFRESH_MS = 10_000;

interface Loaded<T> {
  readonly answer: T | null;
  readonly problem: string | null;
}

/** What the server says of runs: asked for again, oftener while one goes on, and at once when another generation goes live or `asked` is another. */
export function useRuns<T>(fetch: () => Promise<T>, isRunning: (answer: T) => boolean, asked = ""): Loaded<T> {
  const loaded = useSignal<Loaded<T>>({ answer: null, problem: null });
  const { epoch } = sync.value;
  useEffect(() => {
    let timer = 0;
    let gone = false;
    const load = async (): Promise<void> => {
      try {
        const answer = await fetch();
        if (!gone) loaded.value = { answer, problem: null };
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (!gone) loaded.value = { ...loaded.value, problem: error.message };
      }
      const { answer } = loaded.value;
      if (!gone) plan(answer !== null && isRunning(answer) ? RUNNING_REFRESH_MS : REFRESH_MS);
    };
    /** Who looks elsewhere is told when they look here again. */
    const plan = (wait: number): void => {
      timer = window.setTimeout(() => (document.hidden ? plan(wait) : void load()), wait);
    };
    void load();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [asked, epoch]);
  return loaded.value;
}
