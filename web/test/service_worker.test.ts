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
  #network: () => Promise<Response> = () => Promise.reject(new TypeError("no network"));

  constructor() {
    const self = {
      location: { origin: ORIGIN },
      addEventListener: (name: string, listener: (event: FetchEvent) => void) => this.#listeners.set(name, listener),
    };
    const cache = {
      put: async (request: string | { url: string }, response: Response) => {
        if (this.isFull) throw new DOMException("full", "QuotaExceededError");
        const path = typeof request === "string" ? request : new URL(request.url).pathname;
        // What is put again stands last, as in a browser.
        this.#cache.delete(path);
        this.#cache.set(path, response);
      },
      keys: async () => [...this.#cache.keys()].map((path) => ({ url: ORIGIN + path })),
      delete: async ({ url }: { url: string }) => this.#cache.delete(new URL(url).pathname),
    };
    const match = async (request: string | { url: string }): Promise<Response | undefined> =>
      this.#cache.get(typeof request === "string" ? request : new URL(request.url).pathname)?.clone();
    const caches = { open: async () => cache, match };
    new Function("self", "caches", "fetch", source)(self, caches, () => this.#network());
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
