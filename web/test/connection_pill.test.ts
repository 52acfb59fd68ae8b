// @vitest-environment jsdom
import { expect, it } from "vitest";
import { Notes } from "../src/app/notes.tsx";
import { health, link, now, subjects } from "../src/app/state.ts";
import { parseSubjects } from "../src/model/api_types.ts";
import { INITIAL_LINK } from "../src/model/protocol.ts";
import { ms } from "../src/model/units.ts";
import { settle, show } from "./page.ts";

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

it("tells those who listen of another state, and not of every second in it", async () => {
  now.value = ms(0);
  link.value = { ...INITIAL_LINK, phase: "waiting", retryAt: ms(9_000) };
  const root = await show(Notes);
  const said = root.querySelector('[role="status"]');
  const changes: (string | null)[] = [];
  new MutationObserver(() => changes.push(said?.textContent ?? null)).observe(root, { subtree: true, characterData: true, childList: true });
  expect(said?.textContent).toBe("Connection: Reconnecting");
  for (let second = 1; second < 5; second++) {
    now.value = ms(second * 1_000);
    await settle();
  }
  expect(changes).toEqual([]);
  link.value = { ...INITIAL_LINK, phase: "open", heardAt: now.value };
  await settle();
  expect(changes).toEqual(["Connection: Live"]);
});
