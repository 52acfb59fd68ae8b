import { beforeEach, describe, expect, it } from "vitest";

const found = import.meta.glob("../public/sw.js", { query: "?raw", import: "default", eager: true });
const source = Object.values(found as Record<string, string>)[0] ?? "";
const ORIGIN = "http://page.invalid";

interface FetchEvent {
  readonly request: { readonly url: string; readonly method: string; readonly mode: string };
  respondWith(answer: Promise<Response>): void;
}

/** The worker in a browser of its own: a cache in memory, and a network that answers what the test says. */
class Browser {
  readonly #cache = new Map<string, Response>();
  readonly #listeners = new Map<string, (event: FetchEvent) => void>();
  /** A disk on which nothing can be kept. */
  isFull = false;
  /** A cache that takes its time, now more and now less. */
  isSlow = false;
  #pauses = 0;
  /** How often something was kept. */
  puts = 0;
  #network: () => Promise<Response> = () => Promise.reject(new TypeError("no network"));

  constructor() {
    const self = {
      location: { origin: ORIGIN },
      addEventListener: (name: string, listener: (event: FetchEvent) => void) => this.#listeners.set(name, listener),
    };
    const cache = {
      put: async (request: string | { url: string }, response: Response) => {
        await this.#pause();
        if (this.isFull) throw new DOMException("full", "QuotaExceededError");
        this.puts += 1;
        const path = typeof request === "string" ? request : new URL(request.url).pathname;
        // What is put again stands last, as in a browser.
        this.#cache.delete(path);
        this.#cache.set(path, response);
      },
      keys: async () => {
        const paths = [...this.#cache.keys()];
        await this.#pause();
        return paths.map((path) => ({ url: ORIGIN + path }));
      },
      delete: async ({ url }: { url: string }) => {
        await this.#pause();
        return this.#cache.delete(new URL(url).pathname);
      },
    };
    const match = async (request: string | { url: string }): Promise<Response | undefined> =>
      this.#cache.get(typeof request === "string" ? request : new URL(request.url).pathname)?.clone();
    const caches = { open: async () => cache, match };
    new Function("self", "caches", "fetch", source)(self, caches, () => this.#network());
  }

  async #pause(): Promise<void> {
    if (this.isSlow) await new Promise((done) => setTimeout(done, (this.#pauses++ * 7) % 5));
  }

  /** What a tab shows of `path`; the words of the network when the worker leaves it alone. */
  async open(path: string, status: number, type: string, body: string): Promise<string> {
    this.#network = async () => new Response(body, { status, headers: { "content-type": type } });
    return this.#navigate(path);
  }

  async openWithout(path: string): Promise<string> {
    this.#network = () => Promise.reject(new TypeError("no network"));
    return this.#navigate(path);
  }

  async #navigate(path: string): Promise<string> {
    let answer: Promise<Response> | null = null;
    const request = { url: ORIGIN + path, method: "GET", mode: "navigate" };
    this.#listeners.get("fetch")?.({ request, respondWith: (given) => void (answer = given) });
    return (await (answer ?? this.#network())).text();
  }
}

/** What is still kept after the answers are given is kept by then. */
const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 500));
const HTML = "text/html; charset=utf-8";
let browser: Browser;

beforeEach(async () => {
  browser = new Browser();
  expect(await browser.open("/ops", 200, HTML, "the page")).toBe("the page");
});

describe("a full disk", () => {
  it("does not stand between the reader and what the server gives", async () => {
    browser.isFull = true;
    expect(await browser.open("/", 200, HTML, "a newer page")).toBe("a newer page");
    expect(await browser.open("/assets/a-1.js", 200, "text/javascript", "code")).toBe("code");
    expect(await new Browser().open("/", 200, HTML, "the first page")).toBe("the first page");
  });
});

describe("the parts of the page", () => {
  const partsOf = (version: number): string[] => [
    ...["a", "b", "c"].map((name) => `/assets/${name}.js`),
    ...[...Array(40).keys()].map((i) => `/assets/${i}-${version}.js`),
  ];

  it("are all kept after an update, also those that it left as they were", async () => {
    for (const version of [1, 2]) for (const path of partsOf(version)) await browser.open(path, 200, "text/javascript", path);
    for (const path of partsOf(2)) expect(await browser.openWithout(path)).toBe(path);
    await expect(browser.openWithout("/assets/0-1.js")).rejects.toThrow("no network");
  });
});

describe("the parts of the page in use", () => {
  const NAMES = [...Array(40).keys()];
  const old = NAMES.map((i) => `/assets/${i}-1.js`);
  const shared = ["a", "b", "c"].map((name) => `/assets/${name}.js`);
  const now = [...NAMES.map((i) => `/assets/${i}-2.js`), ...shared];
  const fetchAll = (paths: readonly string[]): Promise<unknown> =>
    Promise.all(paths.map((path) => browser.open(path, 200, "text/javascript", "code")));

  it("are none of those that are thrown away, though all are asked for at once", async () => {
    for (const path of [...shared, ...old]) await browser.open(path, 200, "text/javascript", "code");
    browser.isSlow = true;
    await fetchAll([...now].reverse());
    await settled();
    for (const path of now) expect(await browser.openWithout(path)).toBe("code");
    await expect(browser.openWithout(old[0] ?? "")).rejects.toThrow("no network");
  });

  it("are not kept anew with every visit", async () => {
    await fetchAll(now);
    const before = browser.puts;
    await fetchAll(now);
    await settled();
    expect(browser.puts).toBe(before);
  });
});

describe("the page without its server", () => {
  it("is the one of the last visit", async () => {
    expect(await browser.openWithout("/grid")).toBe("the page");
  });

  it.each([["/ready", "application/json"], ["/health", "application/json"], ["/candle.svg", "image/svg+xml"]])(
    "is not what %s showed in a tab",
    async (path, type) => {
      expect(await browser.open(path, 200, type, "something else")).toBe("something else");
      expect(await browser.openWithout("/")).toBe("the page");
    },
  );

  it("is shown in place of a proxy's word that the server is away", async () => {
    expect(await browser.open("/", 502, HTML, "bad gateway")).toBe("the page");
    expect(await browser.open("/records", 503, "text/plain", "unavailable")).toBe("the page");
    expect(await new Browser().open("/", 503, HTML, "unavailable")).toBe("unavailable");
  });

  it("is not shown to who asks whether the server is ready, nor for what is not there", async () => {
    expect(await browser.open("/ready", 503, "application/json", "not ready")).toBe("not ready");
    expect(await browser.open("/no.such", 404, "application/json", "no such file")).toBe("no such file");
  });
});
