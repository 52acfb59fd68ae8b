import type { ComponentType } from "preact";
import { zoneName } from "../model/format.ts";
import type { Route } from "../model/route.ts";
import { ConnectionPill } from "./connection_pill.tsx";
import { AutoIcon, Brand, MoonIcon, SunIcon } from "./icons.tsx";
import { Lazy } from "./lazy.tsx";
import { PageLink } from "./page_link.tsx";
import { LivePage } from "./live_page.tsx";
import { cycleTheme, toggleZone } from "./navigation.ts";
import { helpOpen, now, prefs, route, subjects } from "./state.ts";

const PAGES: readonly { readonly page: Route["page"]; readonly label: string }[] = [
  { page: "live", label: "Live" },
  { page: "grid", label: "Grid" },
  { page: "ops", label: "Operations" },
];

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
const loadNotFound = (): Promise<ComponentType> => import("./not_found_page.tsx").then((module) => module.NotFoundPage);
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
        <Lazy key="unknown" load={loadNotFound}>
          {loading}
        </Lazy>
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
