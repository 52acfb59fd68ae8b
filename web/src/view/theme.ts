/** The colours and the type the canvas needs, read from the design tokens so that they are defined once. */
export interface ChartTheme {
  readonly background: string;
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly line: string;
  readonly zero: string;
  readonly accent: string;
  readonly accentSoft: string;
  readonly positive: string;
  readonly neutral: string;
  readonly negative: string;
  readonly fontFamily: string;
}

/**
 * Resolves a token to a plain colour. The probe is needed because a custom property that uses
 * `light-dark()` or a system colour is only resolved when it is used by a real property.
 */
function resolve(probe: HTMLElement, token: string): string {
  probe.style.color = `var(${token})`;
  return getComputedStyle(probe).color;
}

export function readTheme(host: HTMLElement): ChartTheme {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  const theme: ChartTheme = {
    background: resolve(probe, "--panel"),
    text: resolve(probe, "--text"),
    muted: resolve(probe, "--muted"),
    grid: resolve(probe, "--grid"),
    line: resolve(probe, "--line"),
    zero: resolve(probe, "--zero"),
    accent: resolve(probe, "--accent"),
    accentSoft: resolve(probe, "--accent-soft"),
    positive: resolve(probe, "--positive"),
    neutral: resolve(probe, "--neutral"),
    negative: resolve(probe, "--negative"),
    fontFamily: getComputedStyle(host).fontFamily,
  };
  probe.remove();
  return theme;
}
