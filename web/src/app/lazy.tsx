import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { loadCode } from "./code.ts";

/** A part of the page that is fetched when it is first needed, so that the first candles come sooner. */
export function Lazy({ load, children }: { load: () => Promise<ComponentType>; children?: ComponentChildren }) {
  const [Part, setPart] = useState<ComponentType | null>(null);
  useEffect(() => {
    let mounted = true;
    void loadCode(load).then((found) => {
      if (mounted) setPart(() => found);
    });
    return () => {
      mounted = false;
    };
  }, [load]);
  return Part === null ? <>{children}</> : <Part />;
}
