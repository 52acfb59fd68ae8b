import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, fetchSeries, fetchSubjects, getJson } from "../src/store/api.ts";
import { deleteList, makeList } from "../src/store/watch_lists_api.ts";
import { seriesKey, type Subject } from "../src/model/subject.ts";

const answer = (body: string | null, status = 200): void => {
  vi.stubGlobal("fetch", async () => new Response(body, { status }));
};
const PAGE = "<!doctype html><title>Sign in</title>";
const UNKNOWN = "The server answered in a form this page does not know.";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("an answer that is no JSON", () => {
  it.each([
    ["of the subjects", fetchSubjects],
    ["of a series", () => fetchSeries(seriesKey("AAPL" as Subject, "1m"))],
    ["to a list that is made", () => makeList("Dashboard", ["AAPL"])],
  ])("is a failure, not nothing: %s", async (_what, ask) => {
    answer(PAGE);
    await expect(ask()).rejects.toEqual(new ApiError(200, UNKNOWN));
  });

  it("tells the status of a refusal", async () => {
    answer(PAGE, 502);
    await expect(getJson("/status")).rejects.toThrow("The server answered with status 502.");
  });

  it("is right where there is nothing to tell", async () => {
    answer(null, 204);
    await expect(deleteList("id1")).resolves.toBeDefined();
  });
});
