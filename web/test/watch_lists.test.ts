// @vitest-environment jsdom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Subject } from "../src/model/subject.ts";

const DAY = 86_400_000;
const TOKEN_DAYS = 30;
const names = (text: string): Subject[] => text.split(" ") as Subject[];

/** The server's tokens and lists, as `api/routes/configurations.py` has them, with the cookie the browser holds. */
class ListServer {
  lists = new Map<string, { id: string; name: string; subjects: string[] }[]>();
  cookie: string | null = null;
  cookieEnds = 0;
  takesCookies = true;
  most = 5;
  asked: string[] = [];
  /** Answers everything in its stead while it is set. */
  refuse: (() => Response) | null = null;
  #number = 0;

  fetch = async (url: string, init: RequestInit = {}): Promise<Response> => {
    const method = init.method ?? "GET";
    const [, resource = "", id] = /^\/api\/v2\/(auth\/anonymous|configurations)(?:\/(\w+))?$/.exec(url) ?? [];
    this.asked.push(`${method} ${resource}`);
    if (this.refuse !== null) return this.refuse();
    if (resource === "auth/anonymous") return this.#mint();
    const own = this.cookieEnds <= Date.now() ? undefined : this.lists.get(this.cookie ?? "");
    if (own === undefined) return Response.json({ detail: "a token is needed" }, { status: 401 });
    if (method === "GET") return Response.json({ configurations: own });
    const { name, subjects } = JSON.parse(String(init.body ?? "{}")) as { name?: string; subjects?: string[] };
    if ((subjects?.length ?? 1) > 5) return Response.json({ detail: "too long" }, { status: 400 });
    if (method === "POST") {
      if (own.length >= this.most) return Response.json({ detail: `${this.most} watch lists are the most` }, { status: 409 });
      own.push({ id: `id${(this.#number += 1)}`, name: name ?? "", subjects: subjects ?? [] });
      return Response.json(own.at(-1), { status: 201 });
    }
    const at = own.findIndex((list) => list.id === id);
    const list = own[at];
    if (list === undefined) return Response.json({ detail: "no such list" }, { status: 404 });
    if (method === "DELETE") {
      own.splice(at, 1);
      return new Response(null, { status: 204 });
    }
    own[at] = { ...list, subjects: subjects ?? list.subjects };
    return Response.json(own[at]);
  };

  #mint(): Response {
    const token = `token${(this.#number += 1)}`;
    this.lists.set(token, []);
    if (this.takesCookies) this.cookie = token;
    this.cookieEnds = Date.now() + TOKEN_DAYS * DAY;
    return Response.json({ token, user: token, expires_at: new Date(this.cookieEnds).toISOString() }, { status: 201 });
  }

  /** The subjects of each list of whom the browser's cookie stands for. */
  get kept(): string[] {
    return (this.lists.get(this.cookie ?? "") ?? []).map(({ subjects }) => subjects.join(" "));
  }

  times(what: string): number {
    return this.asked.filter((call) => call === what).length;
  }
}

let server: ListServer;

/** A page that is opened at an address, with what the browser has kept; one that was open before is closed, unless `alone` is false. */
async function open(address = "/", alone = true) {
  const now = Date.now();
  if (alone) vi.clearAllTimers();
  // It sets the clock back.
  vi.setSystemTime(now);
  vi.resetModules();
  window.history.replaceState(null, "", address);
  const [state, navigation, edits, lists] = await Promise.all([
    import("../src/app/state.ts"), import("../src/app/navigation.ts"), import("../src/app/watch_edits.ts"), import("../src/app/watch_lists.ts"),
  ]);
  const rows = names("AAPL MSFT TSLA").map((subject) => ({ subject, name: subject, count24h: 1, lastEventAt: null }));
  state.subjects.value = { subjects: rows, demoNote: null };
  lists.followWatched();
  return { ...state, ...navigation, ...edits, unsought: lists.unsought };
}

/** All that the server's lists have, in order. */
const looked = (): string => server.kept.flatMap((list) => list.split(" ")).sort().join(" ");
const pass = (time: number): Promise<unknown> => vi.advanceTimersByTimeAsync(time);
const problem = (status: number, detail: string) => (): Response => Response.json({ detail }, { status });

beforeEach(() => {
  vi.useFakeTimers();
  localStorage.clear();
  server = new ListServer();
  vi.stubGlobal("fetch", server.fetch);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("what the reader watches", () => {
  it("is nothing of the server's while they have changed nothing", async () => {
    const page = await open("/?w=NVDA,AMZN");
    page.cycleTheme();
    await pass(2 * DAY);
    expect([server.asked, page.unsought.value]).toEqual([[], null]);
  });

  it("is one list of the server's, made with a token of its own, however many changes there are at once", async () => {
    const page = await open();
    page.watch("tag:chips" as Subject);
    page.watch("NVDA" as Subject);
    await pass(2_000);
    expect(server.asked).toEqual(["POST auth/anonymous", "GET configurations", "POST configurations"]);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips NVDA"]);
    expect(localStorage.getItem("candlewick.lists")).not.toContain(server.cookie);
  });

  it("is looked at after the first candles on the next visit, and asked for once where nothing has changed", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    server.asked = [];
    const page = await open();
    await pass(4_000);
    expect(server.asked).toEqual([]);
    await pass(60_000);
    page.cycleTheme();
    await pass(60_000);
    expect([server.asked, page.unsought.value]).toEqual([["GET configurations"], null]);
  });

  it("changes there as it does here", async () => {
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    page.unwatch("MSFT" as Subject);
    await pass(2_000);
    expect(server.kept).toEqual(["AAPL TSLA tag:chips"]);
    expect(server.times("PATCH configurations")).toBe(1);
  });

  it("changes nothing there when a row is moved", async () => {
    const page = await open();
    for (const subject of names("tag:chips NVDA")) page.watch(subject);
    await pass(2_000);
    server.asked = [];
    page.moveWatched("NVDA" as Subject, 0);
    await pass(2_000);
    expect(server.asked).toEqual(["GET configurations"]);
  });

  it("is sent as far as the server takes it", async () => {
    let page = await open();
    for (const subject of names("tag:bad NVDA")) page.watch(subject);
    page = await open("/?w=AMD");
    page.watch("INTC" as Subject);
    vi.stubGlobal("fetch", async (url: string, init: RequestInit = {}) =>
      String(init.body ?? "").includes("tag:bad") ? Response.json({ detail: "a bad tag" }, { status: 400 }) : server.fetch(url, init));
    await pass(DAY);
    expect([server.kept, page.unsought.value]).toEqual([["AMD INTC"], null]);
    page = await open();
    await pass(10_000);
    expect(page.unsought.value).toEqual({ subjects: names("AAPL MSFT TSLA tag:bad NVDA"), why: "a bad tag" });
  });

  it("loses no change that is made while another is on its way", async () => {
    const page = await open();
    const slow: typeof server.fetch = async (...call) => {
      await new Promise((done) => setTimeout(done, 1_000));
      return server.fetch(...call);
    };
    vi.stubGlobal("fetch", slow);
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    page.watch("NVDA" as Subject);
    await pass(10_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips NVDA"]);
  });

  it("leaves lists alone that another program has made with this token", async () => {
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    server.lists.get(server.cookie ?? "")?.unshift({ id: "other", name: "Chips", subjects: ["AMD"] });
    page.unwatch("MSFT" as Subject);
    await pass(2_000);
    expect(server.kept).toEqual(["AMD", "AAPL TSLA tag:chips"]);
  });
});

describe("a list that came with an address", () => {
  it("is looked for once the reader has changed it, beside their own, five to a list", async () => {
    let page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    page = await open("/?w=NVDA,AMZN");
    await pass(10_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips"]);
    page.watch("tag:rates" as Subject);
    await pass(2_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips NVDA", "AMZN tag:rates"]);
    page.unwatch("AMZN" as Subject);
    page.unwatch("NVDA" as Subject);
    await pass(2_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips tag:rates"]);
    page = await open();
    await pass(10_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips tag:rates"]);
  });

  it("is kept beside others of other addresses, until it was not open for as long as a token lives", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    (await open("/?w=NVDA,AMZN")).watch("tag:rates" as Subject);
    await pass(2_000);
    const first = location.search;
    (await open("/?w=INTC,AMD")).watch("tag:fabs" as Subject);
    await pass(2_000);
    const all = "AAPL AMD AMZN INTC MSFT NVDA TSLA tag:chips tag:fabs tag:rates";
    expect(looked()).toBe(all);
    await open(first);
    await pass(20 * DAY);
    expect(looked()).toBe(all);
    await open();
    await pass(20 * DAY);
    expect(looked()).toBe("AAPL AMZN MSFT NVDA TSLA tag:chips tag:rates");
    await pass(20 * DAY);
    expect(looked()).toBe("AAPL MSFT TSLA tag:chips");
  });

  it("gives way to newer ones: there is a limit to them", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    for (const name of ["A", "B", "C", "D"]) {
      (await open(`/?w=${name}`)).watch(`${name}${name}` as Subject);
      await pass(2_000);
    }
    expect(looked()).toBe("AAPL B BB C CC D DD MSFT TSLA tag:chips");
  });

  it("says what nobody looks for where the server keeps fewer lists, on the page that shows it", async () => {
    server.most = 1;
    let page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    page = await open("/?w=NVDA,AMZN");
    page.watch("tag:rates" as Subject);
    await pass(2_000);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips NVDA"]);
    expect(page.unsought.value).toEqual({ subjects: ["AMZN", "tag:rates"], why: "1 watch lists are the most" });
    page = await open();
    await pass(10_000);
    expect(page.unsought.value).toBeNull();
  });
});

describe("two tabs", () => {
  it("make everything once where the browser can tell them apart", async () => {
    let queue: Promise<unknown> = Promise.resolve();
    const request = (_key: string, work: () => Promise<void>) => (queue = queue.then(work));
    vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { locks: { request } }));
    vi.stubGlobal("fetch", async (...call: Parameters<typeof server.fetch>) => {
      await new Promise((done) => setTimeout(done, 5_000));
      return server.fetch(...call);
    });
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    (await open("/", false)).watch("NVDA" as Subject);
    await pass(60_000);
    expect([server.kept, server.times("POST auth/anonymous"), server.times("POST configurations")]).toEqual([["AAPL MSFT TSLA tag:chips NVDA"], 1, 1]);
  });
});

describe("a browser that refuses a page its lock", () => {
  it("keeps its lists all the same, and what the server refuses is asked again", async () => {
    const request = (): Promise<never> => Promise.reject(new DOMException("The request was denied.", "SecurityError"));
    vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { locks: { request } }));
    server.refuse = problem(503, "away");
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    expect(page.unsought.value?.why).toBe("away");
    server.refuse = null;
    await pass(120_000);
    expect([server.kept, page.unsought.value]).toEqual([["AAPL MSFT TSLA tag:chips"], null]);
  });
});

describe("a token", () => {
  it("that the server no longer knows is renewed once, and the lists are made again", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    server.lists.clear();
    server.asked = [];
    const page = await open();
    await pass(10_000);
    expect(server.asked).toEqual(["GET configurations", "POST auth/anonymous", "GET configurations", "POST configurations"]);
    expect([server.kept, page.unsought.value]).toEqual([["AAPL MSFT TSLA tag:chips"], null]);
  });

  it("that has ended is renewed on a page that stays open", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(31 * DAY);
    expect([server.times("POST auth/anonymous"), server.times("POST configurations")]).toEqual([2, 2]);
    expect(server.kept).toEqual(["AAPL MSFT TSLA tag:chips"]);
  });

  it("that the browser does not keep is asked for once a try, and the page works as before", async () => {
    server.takesCookies = false;
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    expect(server.times("POST auth/anonymous")).toBeLessThanOrEqual(2);
    expect(page.unsought.value?.why).toBe("a token is needed");
    expect(page.watched.value).toEqual(names("AAPL MSFT TSLA tag:chips"));
  });
});

describe("a server that refuses", () => {
  it.each([
    ["too many requests", problem(429, "too many requests"), "too many requests"],
    ["a store that is away", problem(503, "control does not answer"), "control does not answer"],
    ["another site's page", problem(403, "not accepted"), "not accepted"],
    ["no network", () => { throw new TypeError("away"); }, "The server cannot be reached."],
  ])("is told of, and asked again: %s", async (_what, refuse, why) => {
    server.refuse = refuse;
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    expect(page.unsought.value).toEqual({ subjects: names("AAPL MSFT TSLA tag:chips"), why });
    expect(page.watched.value).toEqual(names("AAPL MSFT TSLA tag:chips"));
    await pass(DAY);
    expect(server.asked.length).toBeLessThan(150);
    server.refuse = null;
    await pass(600_000);
    expect([server.kept, page.unsought.value]).toEqual([["AAPL MSFT TSLA tag:chips"], null]);
  });

  it("is asked again as soon as the network is there again", async () => {
    server.refuse = () => { throw new TypeError("away"); };
    const page = await open();
    page.watch("tag:chips" as Subject);
    await pass(3_600_000);
    server.refuse = null;
    window.dispatchEvent(new Event("online"));
    await pass(2_000);
    expect([server.kept, page.unsought.value]).toEqual([["AAPL MSFT TSLA tag:chips"], null]);
    server.asked = [];
    window.dispatchEvent(new Event("online"));
    await pass(2_000);
    expect(server.asked).toEqual([]);
  });

  it("is not told of while it has all that is watched", async () => {
    (await open()).watch("tag:chips" as Subject);
    await pass(2_000);
    server.refuse = problem(503, "away");
    const page = await open();
    await pass(60_000);
    expect(page.unsought.value).toBeNull();
    page.watch("NVDA" as Subject);
    await pass(2_000);
    expect(page.unsought.value).toEqual({ subjects: ["NVDA"], why: "away" });
  });

  it("is named under the list", async () => {
    server.refuse = problem(429, "Too many requests.");
    const page = await open();
    const { AddSubject } = await import("../src/app/add_subject.tsx");
    const { h, render } = await import("preact");
    render(h(AddSubject, null), document.body);
    page.watch("tag:chips" as Subject);
    await pass(2_000);
    const said = document.querySelector("[role=status]")?.textContent;
    expect(said).toBe("Not on the server's watch list, so not yet looked for: AAPL, MSFT, TSLA, #chips. Too many requests.");
  });
});

describe("a browser that keeps nothing", () => {
  it.each([["never kept anything", ""], ["is full since", "tag:chips"]])("has its list on the server as long as the page is open, when it %s", async (_how, before) => {
    if (before !== "") (await open()).watch(before as Subject);
    await pass(2_000);
    const full = (): never => { throw new DOMException("full", "QuotaExceededError"); };
    const kept = vi.spyOn(Storage.prototype, "setItem").mockImplementation(full);
    if (before === "") vi.spyOn(Storage.prototype, "getItem").mockImplementation(full);
    const page = await open();
    page.watch("tag:rates" as Subject);
    await pass(2_000);
    page.unwatch("AAPL" as Subject);
    await pass(2_000);
    expect(kept).toHaveBeenCalled();
    vi.restoreAllMocks();
    expect(looked()).toBe(["MSFT", "TSLA", ...(before === "" ? [] : [before]), "tag:rates"].join(" "));
    expect(server.times("POST auth/anonymous")).toBe(1);
  });
});
