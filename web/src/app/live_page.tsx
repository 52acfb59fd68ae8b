import type { ComponentType } from "preact";
import { Lazy } from "./lazy.tsx";
import { Stage } from "./stage.tsx";
import { WatchList } from "./watch_list.tsx";

const loadWhy = (): Promise<ComponentType> => import("./why_panel.tsx").then((module) => module.WhyPanel);

export function LivePage() {
  return (
    <main class="live" id="main" tabIndex={-1}>
      <WatchList />
      <Stage />
      <Lazy load={loadWhy}>
        <aside class="why panel" aria-label="Why this candle" aria-busy="true" />
      </Lazy>
    </main>
  );
}
