interface Props {
  readonly name: string;
  readonly value: string;
  readonly note?: string;
  readonly warn?: boolean;
}

/** One figure of a `<dl class="stats">` with its name. */
export function Stat({ name, value, note, warn = false }: Props) {
  return (
    <div class="stat">
      <dt>{name}</dt>
      <dd class={warn ? "tone-warn" : undefined}>{value}</dd>
      {note !== undefined && <dd class="stat-note">{note}</dd>}
    </div>
  );
}
