import type { Route } from "../model/route.ts";

/** The pages in the order of the bar, with the key that follows `g`. A row here is a page of the bar, the palette and the help. */
export const PAGE_NAMES: readonly { readonly page: Exclude<Route["page"], "unknown">; readonly label: string; readonly key: string }[] = [
  { page: "live", label: "Live", key: "l" },
  { page: "grid", label: "Grid", key: "g" },
  { page: "records", label: "Records", key: "r" },
  { page: "analytics", label: "Analytics", key: "a" },
  { page: "runs", label: "Runs", key: "n" },
  { page: "ops", label: "Ops", key: "o" },
];
