import { MAX_SERIES_PER_CONNECTION, type PageMessage, type WorkerMessage } from "../model/protocol.ts";
import type { ResolutionId } from "../model/resolution.ts";
import { seriesKey, type SeriesKey, type Subject } from "../model/subject.ts";
import { type Ms, ms } from "../model/units.ts";
import { type ClientDeps, StreamClient } from "./stream_client.ts";

/** Pages hidden for longer than this stop the stream; the first one that is shown again resumes it. */
export const PAUSE_AFTER_HIDDEN = ms(300_000);

type Subscription = Extract<PageMessage, { type: "subscribe" }>;

interface Page {
  readonly post: (message: WorkerMessage) => void;
  wanted: Subscription;
  keys: ReadonlySet<SeriesKey>;
  accepted: boolean;
  hiddenSince: Ms | null;
  /** Counts up with every use of a page; the most recently used is served first when room is short. */
  usedAt: number;
}

/** A server on this machine needs no network, so what the browser says of it is no reason not to ask. */
const LOCAL = /\/\/(localhost|127\.[\d.]+|\[::1\])(:|$)/;

/** Joins any number of pages to one stream: the union of what they watch goes out, each gets its own part. */
export class Hub {
  readonly #pages = new Map<number, Page>();
  readonly #deps: ClientDeps;
  readonly #client: StreamClient;
  #nextPage = 1;
  #uses = 0;
  #running = false;
  #online = true;

  constructor(deps: ClientDeps) {
    this.#deps = deps;
    const isOnline = (): boolean => LOCAL.test(deps.base) || (this.#online && deps.isOnline());
    this.#client = new StreamClient({ ...deps, isOnline }, {
      link: (link) => this.#broadcast({ type: "link", link }),
      resync: (epoch) => this.#broadcast({ type: "resync", epoch }),
      updates: (updates) => {
        for (const page of this.#pages.values()) {
          const own = updates.filter((update) => page.keys.has(update.key));
          if (own.length > 0) page.post({ type: "updates", updates: own });
        }
      },
      items: (items) => {
        for (const page of this.#pages.values()) {
          const own = items.filter((item) => page.wanted.subjects.includes(item.subject));
          if (own.length > 0) page.post({ type: "items", items: own });
        }
      },
    });
  }

  join(post: (message: WorkerMessage) => void): number {
    const id = this.#nextPage++;
    this.#pages.set(id, {
      post,
      wanted: { type: "subscribe", subjects: [], resolutions: [], version: 0 },
      keys: new Set(),
      accepted: true,
      hiddenSince: null,
      usedAt: ++this.#uses,
    });
    const { link, epoch } = this.#client;
    post({ type: "link", link });
    if (epoch !== null && (link.phase === "open" || link.phase === "polling")) post({ type: "epoch", epoch });
    return id;
  }

  leave(id: number): void {
    if (this.#pages.delete(id)) this.#refilter();
  }

  receive(id: number, message: PageMessage): void {
    const page = this.#pages.get(id);
    if (page === undefined) return;
    // What a page says of its own accord is no use of it.
    const { type } = message;
    if (type === "subscribe" || type === "retry" || (type === "visibility" && !message.hidden)) page.usedAt = ++this.#uses;
    switch (message.type) {
      case "subscribe":
        return this.#subscribe(page, message);
      case "seed":
        return this.#client.seed(message.cursor);
      case "network":
        return this.networkChanged(message.online);
      case "retry":
        return this.#client.retry();
      case "leave":
        return this.leave(id);
      case "visibility":
        page.hiddenSince = message.hidden ? (page.hiddenSince ?? this.#deps.clock.now()) : null;
        this.#refilter();
        return this.checkVisibility();
    }
  }

  /** Called on every change of visibility and from a slow timer; pauses when every page was hidden for long. */
  checkVisibility(): void {
    const limit = this.#deps.clock.now() - PAUSE_AFTER_HIDDEN;
    const pages = [...this.#pages.values()];
    this.#client.pause(pages.length > 0 && pages.every((page) => page.hiddenSince !== null && page.hiddenSince <= limit));
  }

  networkChanged(online: boolean): void {
    // To a worker that began without a network the first word of one is no change; asking once more costs nothing.
    if (!online && !this.#online) return;
    this.#online = online;
    if (online) this.#client.retry();
    else this.#client.interrupt();
  }

  #subscribe(page: Page, wanted: Subscription): void {
    const { keys } = page;
    page.wanted = wanted;
    page.keys = new Set(wanted.subjects.flatMap((s) => wanted.resolutions.map((r) => seriesKey(s, r))));
    this.#refilter([...page.keys].some((key) => !keys.has(key)) ? page : null);
    page.post({ type: "attached", version: wanted.version, accepted: page.accepted });
    if (this.#running) return;
    this.#running = true;
    void this.#client.run();
  }

  /** Serves pages from the most recently used on, hidden ones last, as long as the union is within the server's limit. */
  #refilter(fresh: Page | null = null): void {
    let subjects = new Set<Subject>();
    let resolutions = new Set<ResolutionId>();
    let again = false;
    const rank = (page: Page): number => (page.hiddenSince === null ? page.usedAt + this.#uses : page.usedAt);
    for (const page of [...this.#pages.values()].sort((a, b) => rank(b) - rank(a))) {
      const moreSubjects = new Set([...subjects, ...page.wanted.subjects]);
      const moreResolutions = new Set([...resolutions, ...page.wanted.resolutions]);
      const accepted = moreSubjects.size * moreResolutions.size <= MAX_SERIES_PER_CONNECTION;
      const changed = page.accepted !== accepted;
      page.accepted = accepted;
      if (changed) page.post({ type: "attached", version: page.wanted.version, accepted });
      if (!accepted) continue;
      again ||= changed || page === fresh;
      subjects = moreSubjects;
      resolutions = moreResolutions;
    }
    this.#client.setFilters({ subjects: [...subjects].sort(), resolutions: [...resolutions].sort() }, again);
  }

  #broadcast(message: WorkerMessage): void {
    for (const page of this.#pages.values()) page.post(message);
  }
}
