import { type Raw, raw, rawList, textOf } from "../model/raw.ts";
import type { Configuration, Configurations } from "../model/wire.ts";
import { getJson } from "./api.ts";

/** The most subjects the server takes on one list. */
export const MAX_SUBJECTS = 5;

/** A list of the server's: sources and the classifier look for its subjects. */
export interface ServerList {
  readonly id: string;
  readonly name: string;
  readonly subjects: readonly string[];
}

const PATH = "/configurations";
const headers = { Accept: "application/json", "Content-Type": "application/json" };

function parseList(wire: Raw<Configuration>): ServerList {
  const subjects: unknown[] = Array.isArray(wire.subjects) ? wire.subjects : [];
  return { id: textOf(wire.id), name: textOf(wire.name), subjects: subjects.map(textOf) };
}

/** Asks for a token, which comes as a cookie that no script can read; the one in the answer is for programs. */
export async function fetchToken(): Promise<void> {
  await getJson("/auth/anonymous", undefined, { method: "POST", headers });
}

/** The lists of whom the cookie stands for. Throws `ApiError`, with status 401 when it stands for nobody. */
export const fetchLists = async (): Promise<ServerList[]> =>
  rawList<Configuration>(raw<Configurations>(await getJson(PATH)).configurations).map(parseList);

async function send(method: string, path: string, body?: unknown): Promise<ServerList> {
  return parseList(raw(await getJson(path, undefined, { method, headers, body: JSON.stringify(body) })));
}

export const makeList = (name: string, subjects: readonly string[]): Promise<ServerList> => send("POST", PATH, { name, subjects });

export const changeList = (id: string, subjects: readonly string[]): Promise<ServerList> => send("PATCH", `${PATH}/${id}`, { subjects });

export const deleteList = (id: string): Promise<ServerList> => send("DELETE", `${PATH}/${id}`);
