import { parseStatus, type StatusAnswer } from "../model/status.ts";
import { getJson } from "./api.ts";

/** The health of every stage. Throws `ApiError`. */
export async function fetchStatus(): Promise<StatusAnswer> {
  return parseStatus(await getJson("/status"));
}
