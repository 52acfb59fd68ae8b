import { RESOLUTIONS } from "../model/resolution.ts";
import { selectResolution } from "./navigation.ts";
import { resolution } from "./state.ts";

export function ResolutionBar() {
  return (
    <div class="segments" role="group" aria-label="Resolution">
      {RESOLUTIONS.map((row, i) => (
        <button
          key={row.id}
          type="button"
          aria-pressed={resolution.value === row.id}
          aria-keyshortcuts={String(i + 1)}
          title={`${row.spoken} per candle (key ${i + 1})`}
          onClick={() => selectResolution(row.id)}
        >
          {row.id}
        </button>
      ))}
    </div>
  );
}
