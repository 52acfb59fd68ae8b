import { effect } from "@preact/signals";
import { scoreText } from "../model/format.ts";
import { shortName } from "../model/subject.ts";
import { PAGE_NAMES } from "./page_names.ts";
import { newest, route, selected } from "./state.ts";

/** Names what is shown on the browser's tab: the newest score of the subject, or the page. */
export function followTitle(): void {
  effect(() => {
    const { page, id } = route.value;
    const subject = selected.value;
    const score = newest.value === null ? "" : ` ${scoreText(newest.value.close)}`;
    const pageName = PAGE_NAMES.find((row) => row.page === page)?.label ?? "Not found";
    const what = page === "live" && subject !== null ? `${shortName(subject)}${score}` : [id, pageName].filter(Boolean).join(" · ");
    document.title = `${what} · Candlewick`;
  });
}
