import { fileName, toCsv, toCurl, toJsonLines } from "../model/export.ts";
import { formatRoute } from "../model/route.ts";
import { copy, download } from "./files.ts";
import { route, selected, selectedKey, selectedSeries, serverNow, watched } from "./state.ts";

/** The selected series as a file; what is said is empty because the browser shows the download itself. */
export function takeSeries(form: "csv" | "jsonl"): void {
  const key = selectedKey.value;
  const { buckets } = selectedSeries.value;
  if (key === null) return;
  if (form === "csv") download(fileName(key, "csv"), "text/csv", toCsv(buckets, serverNow.value));
  else download(fileName(key, "jsonl"), "application/x-ndjson", toJsonLines(key, buckets, serverNow.value));
}

/** The call that answers with the selected series. */
export async function copyCurl(): Promise<string> {
  const key = selectedKey.value;
  return key === null ? "" : copy(toCurl(location.origin, key, selectedSeries.value.buckets));
}

/** The address of what is shown; it names what this reader watches where another would see what they watch themselves. */
export function copyLink(): Promise<string> {
  const list = route.value.page === "grid" ? watched.value : route.value.watched;
  return copy(location.origin + formatRoute({ ...route.value, subject: selected.value, watched: list }));
}
