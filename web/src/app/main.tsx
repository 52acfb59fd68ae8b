import { effect } from "@preact/signals";
import { render } from "preact";
import { App } from "./app.tsx";
import { loadCode } from "./code.ts";
import { start } from "./controller.ts";
import { followHistory } from "./navigation.ts";
import { prefs } from "./state.ts";

effect(() => {
  document.documentElement.dataset["theme"] = prefs.value.theme;
});

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no root element");
followHistory();
start();
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
