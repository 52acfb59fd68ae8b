import { useSignal } from "@preact/signals";
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { loadCode } from "./code.ts";

interface LazyProps<P> {
  readonly load: () => Promise<ComponentType<P>>;
  readonly props?: P;
  /** Shown until the part is there. */
  readonly children?: ComponentChildren;
}

/** A part of the page that is fetched when it is first needed, so that the first candles come sooner. */
export function Lazy<P extends object>({ load, props, children }: LazyProps<P>) {
  const part = useSignal<ComponentType<P> | null>(null);
  useEffect(() => {
    void loadCode(load).then((found) => {
      part.value = found;
    });
  }, [load]);
  const Part = part.value;
  return Part === null ? <>{children}</> : <Part {...((props ?? {}) as P)} />;
}
