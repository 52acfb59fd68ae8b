/** The colours and the type the canvas needs, read from the design tokens so that they are defined once. */
export interface ChartTheme {
  readonly background: string;
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

export function readTheme(host: HTMLElement): ChartTheme {
  const probe = document.createElement("span");
  probe.hidden = true;
  host.append(probe);
  /**
   * Resolves a token to a plain colour. The probe is needed because a custom property that uses
   * `light-dark()` or a system colour is only resolved when it is used by a real property.
   */
  const resolve = (token: string): string => {
    probe.style.color = `var(--${token})`;
    return getComputedStyle(probe).color;
  };
  const theme: ChartTheme = {
    background: resolve("panel"),
    muted: resolve("muted"),
    grid: resolve("grid"),
    line: resolve("line"),
    zero: resolve("zero"),
    accent: resolve("accent"),
    accentSoft: resolve("accent-soft"),
    positive: resolve("positive"),
    neutral: resolve("neutral"),
    negative: resolve("negative"),
    fontFamily: getComputedStyle(host).fontFamily,
  };
  probe.remove();
  return theme;
}
