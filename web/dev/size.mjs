/**
 * What a first visit costs until the first candles: the page, its styles, its scripts and the worker with all they
 * import, gzipped, against the budget; and what else the Live page fetches once the candles are on the screen.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET = 85_000;
const DIST = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const AFTER_CANDLES = ["why_panel", "add_subject", "keyboard", "offline_shell", "cache", "chart_notice", "headlines", "swaps", "upkeep", "hands", "sparkline", "notes", "spoken"];

const assets = readdirSync(join(DIST, "assets"));
const textOf = (file) => readFileSync(join(DIST, "assets", file), "utf8");
const sizeOf = (path) => gzipSync(readFileSync(path), { level: 9 }).length;
const sum = (files) => files.reduce((total, file) => total + sizeOf(join(DIST, "assets", file)), 0);
const styleOf = (file) => assets.filter((other) => other.endsWith(".css") && other.split("-")[0] === file.split("-")[0]);

/** A script with everything it imports without being asked; `import()` waits and is not counted. */
function withImports(file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, , name] of textOf(file).matchAll(/(?:from|import)(\s*)"\.\/([^"]+\.js)"/g)) withImports(name, found);
  return found;
}

const html = readFileSync(join(DIST, "index.html"), "utf8");
const first = new Set([...html.matchAll(/\/assets\/([^"]+\.css)"/g)].map(([, file]) => file));
for (const [, file] of html.matchAll(/\/assets\/([^"]+\.js)"/g)) withImports(file, first);
for (const file of assets.filter((name) => name.startsWith("stream-worker-"))) withImports(file, first);
const after = new Set([...first, ...styleOf("later")]);
for (const file of assets.filter((name) => name.endsWith(".js") && AFTER_CANDLES.includes(name.split("-")[0]))) {
  withImports(file, after);
  for (const style of styleOf(file)) after.add(style);
}

const total = sum([...first]) + sizeOf(join(DIST, "index.html"));
for (const file of first) console.log(`${String(sizeOf(join(DIST, "assets", file))).padStart(7)}  ${file}`);
console.log(`${String(total).padStart(7)}  first candles (budget ${BUDGET})`);
console.log(`${String(sum([...after]) + sizeOf(join(DIST, "index.html"))).padStart(7)}  with what follows the candles`);
if (total > BUDGET) {
  console.error("the first load is over its budget");
  process.exit(1);
}
