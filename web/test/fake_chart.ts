/** A chart that draws nothing: jsdom has no canvas, and tells nothing of the screen. */
export class CandleChart {
  host = document.body;
  show(): void {}
  keepInSight(): null {
    return null;
  }
  point(): void {}
  restyle(): void {}
  destroy(): void {}
}

window.matchMedia = () => ({ addEventListener: () => undefined, removeEventListener: () => undefined }) as never;
