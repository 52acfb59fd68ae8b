import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { loadCode } from "./code.ts";

interface LazyProps<P> {
  readonly load: () => Promise<ComponentType<P>>;
  readonly props?: P;
  /** Shown until the part is there. */
  readonly children?: ComponentChildren;
}

/** A part of the page that is fetched when it is first needed, so that the first candles come sooner. */
export function Lazy<P extends object>({ load, props, children }: LazyProps<P>) {
  const [Part, setPart] = useState<ComponentType<P> | null>(null);
  useEffect(() => {
    let mounted = true;
    void loadCode(load).then((found) => {
      if (mounted) setPart(() => found);
    });
    return () => {
      mounted = false;
    };
  }, [load]);
  return Part === null ? <>{children}</> : <Part {...((props ?? {}) as P)} />;
}
