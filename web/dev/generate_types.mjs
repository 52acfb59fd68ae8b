/**
 * Turns the schemas of the server's OpenAPI document into `src/model/wire.ts` (on standard output).
 * Only what the page reads is taken, with everything it refers to. The document comes from standard
 * input, or with `--from URL` from a running server; `npm run types` does the latter.
 */
import { readFileSync } from "node:fs";

const WANTED = ["Series", "SeriesList", "Articles", "Subjects", "Changes", "Status", "Runs", "RunDetail", "Generations", "CompareReport", "Items", "ItemCandles", "Facets", "Configurations"];
const SIMPLE = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

async function readDocument() {
  const from = process.argv.indexOf("--from");
  if (from < 0) return JSON.parse(readFileSync(0, "utf8"));
  const response = await fetch(new URL("/api/v2/openapi.json", process.argv[from + 1]));
  return response.json();
}

const { schemas } = (await readDocument()).components;
const taken = new Set();

const bracketed = (type) => (type.includes(" ") ? `(${type})` : type);

function typeOf(schema) {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split("/").pop();
    take(name);
    return name;
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.map(typeOf).join(" | ");
  if (schema.allOf?.length === 1) return typeOf(schema.allOf[0]);
  if (schema.type === "array") return `readonly ${bracketed(typeOf(schema.items ?? {}))}[]`;
  if (schema.type === "object" || schema.properties !== undefined) {
    if (schema.properties === undefined) return "Readonly<Record<string, unknown>>";
    return `{ ${Object.entries(schema.properties).map(([name, of]) => `readonly ${name}: ${typeOf(of)}`).join("; ")} }`;
  }
  return SIMPLE[schema.type] ?? "unknown";
}

function take(name) {
  if (taken.has(name)) return;
  taken.add(name);
  for (const of of Object.values(schemas[name].properties ?? {})) typeOf(of);
}

function declare(name) {
  const schema = schemas[name];
  if (schema.properties === undefined) return `export type ${name} = ${typeOf(schema)};`;
  const fields = Object.entries(schema.properties).map(([field, of]) => `  readonly ${field}: ${typeOf(of)};`);
  const note = schema.description === undefined ? "" : `/** ${schema.description.replace(/\s+/g, " ")} */\n`;
  return `${note}export interface ${name} {\n${fields.join("\n")}\n}`;
}

WANTED.forEach(take);
const header = "// Generated from the server's OpenAPI document by dev/generate_types.mjs; do not edit.\n";
console.log(`${header}\n${[...taken].sort().map(declare).join("\n\n")}`);
