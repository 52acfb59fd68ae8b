import type { Ms } from "./units.ts";

/**
 * Reading what came from outside. `Raw<T>` has the field names of a generated wire type and trusts none
 * of its values: a renamed field is a compile error, a wrong value is caught where it is read.
 */
export type Raw<T> = { readonly [Field in keyof T]?: unknown };

export function raw<T>(value: unknown): Raw<T> {
  return typeof value === "object" && value !== null ? value : {};
}

export const rawList = <T>(value: unknown): Raw<T>[] => (Array.isArray(value) ? value.map((item) => raw<T>(item)) : []);

export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** Null for anything that is not a finite number, here and below. */
export const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;

export const msOf = (value: unknown): Ms | null => numberOf(value) as Ms | null;
