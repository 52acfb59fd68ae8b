import "./styles/later.css";
import { useSignal } from "@preact/signals";
import { selectedKey, selectedSeries } from "./state.ts";
import { copyCurl, copyLink, takeSeries } from "./take_along.ts";

/** Takes the series along: as a file, as a command, or as a link to this very view. */
export function ExportBar() {
  const said = useSignal("");
  const key = selectedKey.value;
  const { buckets } = selectedSeries.value;
  if (key === null || buckets.length === 0) return null;
  const say = (result: Promise<string>) => void result.then((text) => (said.value = text));
  return (
    <footer class="export-bar">
      <span class="muted">This series:</span>
      <button type="button" class="link-button" onClick={() => takeSeries("csv")}>
        CSV
      </button>
      <button type="button" class="link-button" onClick={() => takeSeries("jsonl")}>
        JSON lines
      </button>
      <button type="button" class="link-button" onClick={() => say(copyCurl())}>
        Copy as curl
      </button>
      <button type="button" class="link-button" onClick={() => say(copyLink())}>
        Copy link
      </button>
      <span class="export-said muted" role="status">
        {said.value}
      </span>
    </footer>
  );
}
