import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import type { Bucket } from "../model/bucket.ts";
import { type ColumnarSeries, decode, encode } from "../model/columnar.ts";
import type { SeriesKey } from "../model/subject.ts";
import { DAY, type Ms } from "../model/units.ts";

interface Row {
  readonly generation: string;
  readonly savedAt: Ms;
  readonly columns: ColumnarSeries;
}

/** A row without its candles. */
type Entry = Pick<Row, "generation" | "savedAt"> & { readonly key: SeriesKey };

interface Schema extends DBSchema {
  series: { key: SeriesKey; value: Row };
}

export interface CachedSeries {
  readonly generation: string;
  readonly savedAt: Ms;
  readonly buckets: readonly Bucket[];
}

const MAX_AGE = 7 * DAY;
const MAX_SERIES = 80;

/**
 * One blob per series. A browser may forbid or lose its storage at any time (private window, full
 * disk); then every read is a miss and every write is let go, because the cache only saves time.
 */
export class SeriesCache {
  readonly #name: string;
  #opening: Promise<IDBPDatabase<Schema> | null> | null = null;

  constructor(name = "candlewick") {
    this.#name = name;
  }

  async read(key: SeriesKey): Promise<CachedSeries | null> {
    const row = await this.#attempt((db) => db.get("series", key));
    if (row == null) return null;
    const buckets = decode(row.columns);
    return buckets === null ? null : { generation: row.generation, savedAt: row.savedAt, buckets };
  }

  async write(key: SeriesKey, generation: string, buckets: readonly Bucket[], now: Ms): Promise<void> {
    const row: Row = { generation, savedAt: now, columns: encode(buckets) };
    await this.#attempt((db) => db.put("series", row, key));
  }

  /** Drops every series of another generation: its candles belong to a history that is no longer live. */
  async keepOnly(generation: string): Promise<void> {
    await this.#prune((rows) => rows.filter((row) => row.generation === generation));
  }

  /** Drops what is old or too much; called once per visit. */
  async tidy(now: Ms): Promise<void> {
    await this.#prune((rows) =>
      rows
        .filter((row) => now - row.savedAt < MAX_AGE)
        .sort((a, b) => b.savedAt - a.savedAt)
        .slice(0, MAX_SERIES),
    );
  }

  async close(): Promise<void> {
    const db = await this.#opening;
    db?.close();
    this.#opening = null;
  }

  async #prune(choose: (rows: readonly Entry[]) => readonly Entry[]): Promise<void> {
    await this.#attempt(async (db) => {
      const transaction = db.transaction("series", "readwrite");
      const rows: Entry[] = [];
      for await (const { key, value } of transaction.store.iterate()) {
        rows.push({ key, generation: value.generation, savedAt: value.savedAt });
      }
      const kept = new Set(choose(rows));
      for (const row of rows) if (!kept.has(row)) await transaction.store.delete(row.key);
      await transaction.done;
    });
  }

  async #attempt<T>(action: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | null> {
    try {
      const db = await this.#open();
      return db === null ? null : await action(db);
    } catch (error) {
      if (error instanceof DOMException) return null;
      throw error;
    }
  }

  #open(): Promise<IDBPDatabase<Schema> | null> {
    if (typeof indexedDB === "undefined") return Promise.resolve(null);
    this.#opening ??= openDB<Schema>(this.#name, 1, {
      upgrade: (db) => void db.createObjectStore("series"),
      // Another tab with a newer page wants to change the layout: step aside instead of blocking it.
      blocking: () => void this.close(),
    });
    return this.#opening;
  }
}
