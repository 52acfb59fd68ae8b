import { Stage } from "./stage.tsx";
import { WatchList } from "./watch_list.tsx";
import { WhyPanel } from "./why_panel.tsx";

export function LivePage() {
  return (
    <main class="live" id="main" tabIndex={-1}>
      <WatchList />
      <Stage />
      <WhyPanel />
    </main>
  );
}
