import { formatRoute, type Route } from "../model/route.ts";
import { go } from "./navigation.ts";
import { route } from "./state.ts";

/** Goes to another place of the page without loading it anew. */
export function follow(event: MouseEvent, target: Route): void {
  // A click with a modifier opens a new tab; that stays the browser's business.
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(target);
}

/** A link to another page that keeps what the reader is watching. */
export function PageLink({ page, label }: { page: Route["page"]; label: string }) {
  const target: Route = { ...route.value, page, id: null, at: null };
  return (
    <a href={formatRoute(target)} aria-current={route.value.page === page ? "page" : undefined} onClick={(event) => follow(event, target)}>
      {label}
    </a>
  );
}
