import { effect } from "@preact/signals";
import { render } from "preact";
import { shortName } from "../model/subject.ts";
import { scoreText } from "../model/format.ts";
import { App } from "./app.tsx";
import { loadCode } from "./code.ts";
import { start } from "./controller.ts";
import { followHistory } from "./navigation.ts";
import { newest, prefs, route, selected } from "./state.ts";

const PAGE_TITLES = { live: "Live", grid: "Grid", ops: "Operations", unknown: "Not found" } as const;

effect(() => {
  document.documentElement.dataset["theme"] = prefs.value.theme;
});

effect(() => {
  const { page } = route.value;
  const subject = selected.value;
  const score = newest.value === null ? "" : ` ${scoreText(newest.value.close)}`;
  const what = page === "live" && subject !== null ? `${shortName(subject)}${score}` : PAGE_TITLES[page];
  document.title = `${what} · Candlewick`;
});

followHistory();
start();

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root element");
render(<App />, root);
void loadCode(() => import("./keyboard.ts")).then((module) => module.listenForKeys());
void loadCode(() => import("./offline_shell.ts")).then((module) => module.keepShell());
