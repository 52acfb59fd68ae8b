import type { ComponentType } from "preact";
import { zoneName } from "../model/format.ts";
import type { Route } from "../model/route.ts";
import { ConnectionPill } from "./connection_pill.tsx";
import { AutoIcon, Brand, MoonIcon, SearchIcon, SunIcon } from "./icons.tsx";
import { Lazy } from "./lazy.tsx";
import { PageLink } from "./page_link.tsx";
import { LivePage } from "./live_page.tsx";
import { PAGE_NAMES } from "./page_names.ts";
import { cycleTheme, toggleZone } from "./navigation.ts";
import { helpOpen, now, paletteOpen, prefs, route } from "./state.ts";

function TopBar() {
  const { theme, zone } = prefs.value;
  return (
    <header class="topbar">
      <div class="brand">
        <Brand />
        <span>Candlewick</span>
      </div>
      <nav class="nav" aria-label="Pages">
        {PAGE_NAMES.map((row) => (
          <PageLink key={row.page} page={row.page} label={row.label} />
        ))}
      </nav>
      <div class="topbar-tools">
        <ConnectionPill />
        <button type="button" class="icon-button" onClick={() => (paletteOpen.value = true)} aria-label="Commands" title="Everything by name (Ctrl K)">
          <SearchIcon />
        </button>
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

/** Every page but the first is fetched when it is opened. */
const LOADERS: Record<Exclude<Route["page"], "live">, () => Promise<ComponentType>> = {
  grid: () => import("./grid_page.tsx").then((module) => module.GridPage),
  records: () => import("./records_page.tsx").then((module) => module.RecordsPage),
  analytics: () => import("./analytics_page.tsx").then((module) => module.AnalyticsPage),
  runs: () => import("./runs_page.tsx").then((module) => module.RunsPage),
  ops: () => import("./ops_page.tsx").then((module) => module.OpsPage),
  unknown: () => import("./not_found_page.tsx").then((module) => module.NotFoundPage),
};
const loadPalette = (): Promise<ComponentType> => import("./palette.tsx").then((module) => module.Palette);
const loadHelp = (): Promise<ComponentType> => import("./help_dialog.tsx").then((module) => module.HelpDialog);
/** Fetched beforehand: one of them is needed when nothing can be fetched. */
const loadNotes = (): Promise<ComponentType> => import("./notes.tsx").then((module) => module.Notes);

function Page() {
  const { page } = route.value;
  if (page === "live") return <LivePage />;
  return (
    <Lazy key={page} load={LOADERS[page]}>
      <main class="page" id="main" aria-busy="true" />
    </Lazy>
  );
}

export function App() {
  return (
    <>
      <a class="skip-link" href="#main">
        Skip to the candles
      </a>
      <TopBar />
      <Lazy load={loadNotes} />
      <Page />
      {helpOpen.value && <Lazy load={loadHelp} />}
      {paletteOpen.value && <Lazy load={loadPalette} />}
    </>
  );
}
