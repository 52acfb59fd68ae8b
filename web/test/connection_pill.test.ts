// @vitest-environment jsdom
import { expect, it } from "vitest";
import { health, link, subjects } from "../src/app/state.ts";
import { parseSubjects } from "../src/model/api_types.ts";

it("does not say that a stream is being opened while the server has nothing to follow", () => {
  expect(health.value.label).toBe("Connecting");
  subjects.value = parseSubjects({ subjects: [] });
  expect(health.value).toMatchObject({ state: "polling", label: "Waiting" });
  link.value = { ...link.value, phase: "stopped" };
  expect(health.value.label).toBe("Stopped");
  link.value = { ...link.value, phase: "connecting" };
  subjects.value = parseSubjects({ subjects: [{ subject: "AAPL" }] });
  expect(health.value.label).toBe("Connecting");
});
