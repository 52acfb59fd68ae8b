import type { ComponentType } from "preact";
import { zoneName } from "../model/format.ts";
import type { Route } from "../model/route.ts";
import { formatRoute } from "../model/route.ts";
import { ConnectionPill } from "./connection_pill.tsx";
import { AutoIcon, Brand, MoonIcon, SunIcon } from "./icons.tsx";
import { cycleTheme, toggleZone } from "./keyboard.ts";
import { Lazy } from "./lazy.tsx";
import { LivePage } from "./live_page.tsx";
import { go } from "./navigation.ts";
import { helpOpen, now, prefs, route, subjects } from "./state.ts";

const PAGES: readonly { readonly page: Route["page"]; readonly label: string }[] = [
  { page: "live", label: "Live" },
  { page: "grid", label: "Grid" },
  { page: "ops", label: "Operations" },
];

function PageLink({ page, label }: { page: Route["page"]; label: string }) {
  const target: Route = { ...route.value, page, at: null };
  const follow = (event: MouseEvent): void => {
    // A click with a modifier opens a new tab; that stays the browser's business.
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(target);
  };
  return (
    <a href={formatRoute(target)} aria-current={route.value.page === page ? "page" : undefined} onClick={follow}>
      {label}
    </a>
  );
}

function TopBar() {
  const { theme, zone } = prefs.value;
  return (
    <header class="topbar">
      <div class="brand">
        <Brand />
        <span>Candlewick</span>
      </div>
      <nav class="nav" aria-label="Pages">
        {PAGES.map((row) => (
          <PageLink key={row.page} {...row} />
        ))}
      </nav>
      <div class="topbar-tools">
        <ConnectionPill />
        <button type="button" class="tool" onClick={toggleZone} title="Local time or UTC (key u)">
          {zoneName(now.value, zone)}
        </button>
        <button type="button" class="icon-button" onClick={cycleTheme} aria-label={`Theme: ${theme}. Change`} title={`Theme: ${theme} (key t)`}>
          {theme === "auto" ? <AutoIcon /> : theme === "light" ? <SunIcon /> : <MoonIcon />}
        </button>
        <button type="button" class="icon-button" onClick={() => (helpOpen.value = true)} aria-label="Help and keys" title="Help (key ?)">
          ?
        </button>
      </div>
    </header>
  );
}

function DemoNote() {
  const note = subjects.value?.demoNote ?? null;
  if (note === null) return null;
  return (
    <aside class="demo-note" aria-label="About the news shown">
      <strong>Not live news.</strong> {note.replace(/\.$/, "")}.
    </aside>
  );
}

const loadGrid = (): Promise<ComponentType> => import("./grid_page.tsx").then((module) => module.GridPage);
const loadOps = (): Promise<ComponentType> => import("./ops_page.tsx").then((module) => module.OpsPage);
const loadHelp = (): Promise<ComponentType> => import("./help_dialog.tsx").then((module) => module.HelpDialog);
const loading = <main class="page" id="main" aria-busy="true" />;

function Page() {
  switch (route.value.page) {
    case "live":
      return <LivePage />;
    case "grid":
      return (
        <Lazy key="grid" load={loadGrid}>
          {loading}
        </Lazy>
      );
    case "ops":
      return (
        <Lazy key="ops" load={loadOps}>
          {loading}
        </Lazy>
      );
    case "unknown":
      return (
        <main class="page" id="main" tabIndex={-1}>
          <div class="cover cover-page">
            <h1>There is no such page</h1>
            <p>
              The address may be old. <PageLink page="live" label="Go to the live candles" />
            </p>
          </div>
        </main>
      );
  }
}

export function App() {
  return (
    <>
      <a class="skip-link" href="#main">
        Skip to the candles
      </a>
      <TopBar />
      <DemoNote />
      <Page />
      {helpOpen.value && <Lazy load={loadHelp} />}
    </>
  );
}
