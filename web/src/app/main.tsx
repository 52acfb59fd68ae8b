import { effect } from "@preact/signals";
import { render } from "preact";
import { shortName } from "../model/subject.ts";
import { scoreText } from "../model/format.ts";
import { App } from "./app.tsx";
import { loadCode } from "./code.ts";
import { start } from "./controller.ts";
import { followHistory } from "./navigation.ts";
import { PAGE_NAMES } from "./page_names.ts";
import { newest, prefs, route, selected } from "./state.ts";

effect(() => {
  document.documentElement.dataset["theme"] = prefs.value.theme;
});

effect(() => {
  const { page, id } = route.value;
  const subject = selected.value;
  const score = newest.value === null ? "" : ` ${scoreText(newest.value.close)}`;
  const what = page === "live" && subject !== null ? `${shortName(subject)}${score}` : [id, PAGE_NAMES.find((row) => row.page === page)?.label ?? "Not found"].filter(Boolean).join(" · ");
  document.title = `${what} · Candlewick`;
});

followHistory();
start();

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root element");
render(<App />, root);
// Keys that are pressed before their part is there are answered when it comes.
let early: KeyboardEvent[] = [];
const keep = (event: KeyboardEvent): void => void (early = [...early.slice(-9), event]);
document.addEventListener("keydown", keep);
void loadCode(() => import("./keyboard.ts")).then((module) => {
  document.removeEventListener("keydown", keep);
  module.listenForKeys(early);
});
void loadCode(() => import("./upkeep.ts")).then((module) => module.startUpkeep());
void loadCode(() => import("./swaps.ts")).then((module) => module.followSwaps());
void loadCode(() => import("./offline_shell.ts")).then((module) => module.keepShell());
