import { type ComponentType, h, render } from "preact";
import { route } from "../src/app/state.ts";
import { parseRoute } from "../src/model/route.ts";

/** Lets everything that waits for the next turn of the loop happen: answers, renders, effects. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

/** As if the reader had opened this address. */
export function visit(address: string): void {
  window.history.replaceState(null, "", address);
  route.value = parseRoute(location.pathname, location.search);
}

/** Puts a component on an empty page; what the previous test showed is taken down first. */
export async function show(component: ComponentType): Promise<HTMLElement> {
  hide();
  const root = document.body.appendChild(document.createElement("div"));
  render(h(component, null), root);
  await settle();
  return root;
}

export function hide(): void {
  for (const root of [...document.body.children]) {
    render(null, root);
    root.remove();
  }
}

export function press(target: Element, key: string, how: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...how });
  target.dispatchEvent(event);
  return event;
}
