import { fileName, toCsv, toCurl, toJsonLines } from "../model/export.ts";
import { copy, download } from "./files.ts";
import { selectedKey, selectedSeries } from "./state.ts";

/** The selected series as a file; what is said is empty because the browser shows the download itself. */
export function takeSeries(form: "csv" | "jsonl"): void {
  const key = selectedKey.value;
  const { buckets } = selectedSeries.value;
  if (key === null) return;
  if (form === "csv") download(fileName(key, "csv"), "text/csv", toCsv(buckets));
  else download(fileName(key, "jsonl"), "application/x-ndjson", toJsonLines(key, buckets));
}

/** The call that answers with the selected series. */
export async function copyCurl(): Promise<string> {
  const key = selectedKey.value;
  return key === null ? "" : copy(toCurl(location.origin, key, selectedSeries.value.buckets[0]?.start ?? null));
}

export const copyLink = (): Promise<string> => copy(location.href);
