import { useSignal } from "@preact/signals";
import { fileName, toCsv, toCurl, toJsonLines } from "../model/export.ts";
import { copy, download } from "./files.ts";
import { selectedKey, selectedSeries } from "./state.ts";

/** Takes the series along: as a file, as a command, or as a link to this very view. */
export function ExportBar() {
  const said = useSignal("");
  const key = selectedKey.value;
  const { buckets } = selectedSeries.value;
  if (key === null || buckets.length === 0) return null;
  const say = (text: string) => void copy(text).then((result) => (said.value = result));
  return (
    <footer class="export-bar">
      <span class="muted">This series:</span>
      <button type="button" class="link-button" onClick={() => download(fileName(key, "csv"), "text/csv", toCsv(buckets))}>
        CSV
      </button>
      <button type="button" class="link-button" onClick={() => download(fileName(key, "jsonl"), "application/x-ndjson", toJsonLines(key, buckets))}>
        JSON lines
      </button>
      <button type="button" class="link-button" onClick={() => say(toCurl(location.origin, key, buckets[0]?.start ?? null))}>
        Copy as curl
      </button>
      <button type="button" class="link-button" onClick={() => say(location.href)}>
        Copy link
      </button>
      <span class="export-said muted" role="status">
        {said.value}
      </span>
    </footer>
  );
}
