import { candleSentence } from "../model/candle_sentence.ts";
import { flagsIn, focus, prefs, route, serverNow } from "./state.ts";

/** The selected candle in words; none while the newest one is followed, which would never be silent. */
export function Spoken() {
  const told = route.value.at === null ? null : focus.value;
  return <>{told !== null && `${candleSentence(told, prefs.value.zone, serverNow.peek())} ${flagsIn(told)}`}</>;
}
