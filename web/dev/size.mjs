/**
 * What a first visit costs: the page, its styles, its script and the worker, gzipped, against the
 * budget; and everything else the Live page fetches once the candles are on the screen.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUDGET = 85_000;
const DIST = join(dirname(fileURLToPath(import.meta.url)), "..", "dist");
const AFTER_CANDLES = ["why_panel", "add_subject", "keyboard", "offline_shell", "cache", "headlines"];
const ON_DEMAND = ["help_dialog", "range_offers", "grid_page", "not_found_page", "ops_page", "pages", "exports"];

const sizeOf = (path) => gzipSync(readFileSync(path), { level: 9 }).length;
const named = (file, names) => names.some((name) => file.startsWith(`${name}-`));
const files = readdirSync(join(DIST, "assets")).map((file) => ({ file, bytes: sizeOf(join(DIST, "assets", file)) }));
const sum = (list) => list.reduce((total, { bytes }) => total + bytes, 0);

const after = files.filter(({ file }) => named(file, AFTER_CANDLES));
const demand = files.filter(({ file }) => named(file, ON_DEMAND));
const first = files.filter((row) => !after.includes(row) && !demand.includes(row));
const total = sum(first) + sizeOf(join(DIST, "index.html"));

for (const { file, bytes } of first) console.log(`${String(bytes).padStart(7)}  ${file}`);
console.log(`${String(total).padStart(7)}  first candles (budget ${BUDGET})`);
console.log(`${String(total + sum(after)).padStart(7)}  with what follows the candles`);
if (total > BUDGET) {
  console.error("the first load is over its budget");
  process.exit(1);
}
