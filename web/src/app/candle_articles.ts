import { signal } from "@preact/signals";
import type { ArticlesAnswer } from "../model/article.ts";
import type { SeriesKey } from "../model/subject.ts";
import type { Ms } from "../model/units.ts";
import { ApiError } from "../store/api.ts";
import { fetchArticles } from "../store/articles_api.ts";

/** How many articles are shown before the reader asks for all of them. */
export const FIRST_SHOWN = 20;
/** A live candle may change many times a second; its articles follow this far behind. */
const PAUSE_MS = 1_000;
/** The articles are stored by another stage than the candle; while they are on their way they are asked for again. */
const RETRY_MS = 2_000;
const MAX_RETRIES = 5;

export interface Known {
  /** The newest answer; null before the first. */
  readonly answer: ArticlesAnswer | null;
  /** Why the newest question got no answer; what was known before it stays. */
  readonly problem: string | null;
  /** True while articles that the candle has counted are still awaited. */
  readonly arriving: boolean;
}

/** The articles behind one candle. Whatever is asked while a question or the pause after it lasts becomes one question. */
export class CandleArticles {
  readonly known = signal<Known>({ answer: null, problem: null, arriving: false });
  readonly #key: SeriesKey;
  readonly #start: Ms;
  readonly #abort = new AbortController();
  #count = 0;
  #retries = 0;
  #retryTimer = 0;
  #wanted = false;
  #running = false;

  constructor(key: SeriesKey, start: Ms) {
    this.#key = key;
    this.#start = start;
  }

  /** The candle has so many articles now. */
  ask(count: number): void {
    this.#count = count;
    this.#retries = 0;
    this.#want();
  }

  stop(): void {
    this.#abort.abort();
    clearTimeout(this.#retryTimer);
  }

  #want(): void {
    clearTimeout(this.#retryTimer);
    this.#wanted = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#wanted && !this.#abort.signal.aborted) {
      this.#wanted = false;
      await this.#load();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    this.#running = false;
  }

  async #load(): Promise<void> {
    try {
      const answer = await fetchArticles(this.#key, this.#start, this.#abort.signal);
      const { length } = answer.articles;
      const arriving = length < this.#count && length < FIRST_SHOWN && this.#retries < MAX_RETRIES;
      this.known.value = { answer, problem: null, arriving };
      if (!arriving) return;
      this.#retries += 1;
      this.#retryTimer = window.setTimeout(() => this.#want(), RETRY_MS);
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.known.value = { ...this.known.value, problem: error.message };
    }
  }
}
