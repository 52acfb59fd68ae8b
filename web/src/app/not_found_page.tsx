import "./styles/later.css";
import "./styles/pages.css";
import { PageLink } from "./page_link.tsx";

export function NotFoundPage() {
  return (
    <main class="page" id="main" tabIndex={-1}>
      <div class="cover">
        <h1>There is no such page</h1>
        <p>The address may be old.</p>
        <PageLink page="live" label="Go to the live candles" />
      </div>
    </main>
  );
}
