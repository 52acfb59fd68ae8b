/** What the command palette offers, and how a few typed letters choose from it. */
export interface Command {
  readonly id: string;
  readonly group: "Pages" | "Subjects" | "Resolutions" | "Actions";
  readonly text: string;
  /** A key or a second name; it is searched too. */
  readonly hint: string;
  /** What is then to be told; nothing where the page shows it. */
  run(): void | Promise<string>;
}

const SCATTERED = -100;

/**
 * How well a text answers a query, higher is better; null when it does not at all. A word that begins with the query
 * beats one that contains it, which beats its letters in order.
 */
export function score(query: string, text: string): number | null {
  const wanted = query.trim().toLowerCase();
  const given = text.toLowerCase();
  if (wanted === "") return 0;
  const at = given.indexOf(wanted);
  if (at === 0) return 400 - given.length;
  if (at > 0) return (/[\s#:.-]/.test(given.charAt(at - 1)) ? 300 : 200) - at;
  let from = 0;
  for (const letter of wanted.replaceAll(" ", "")) {
    const found = given.indexOf(letter, from);
    if (found < 0) return null;
    from = found + 1;
  }
  return SCATTERED - from;
}

/** The commands that answer a query, best first; those that answer equally well stay in their order. */
export function choose(query: string, commands: readonly Command[]): Command[] {
  const ranked = commands.flatMap((command) => {
    const named = score(query, command.hint);
    // Almost any few letters are somewhere in a long name, in order; there only what stands together counts.
    const found = [score(query, command.text), named !== null && named > SCATTERED ? named : null].filter((value) => value !== null);
    return found.length === 0 ? [] : [{ command, rank: Math.max(...found) }];
  });
  return ranked.sort((a, b) => b.rank - a.rank).map(({ command }) => command);
}
