import type { ComponentChildren } from "preact";

interface Props {
  readonly title: string;
  readonly columns: readonly string[];
  /** True where every column but the first holds numbers. */
  readonly numeric?: boolean;
  /** Its rows. */
  readonly children: ComponentChildren;
}

/** A table that scrolls by itself, with the keyboard too, when the screen is narrower. */
export function DataTable({ title, columns, numeric = false, children }: Props) {
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={title}>
      <table>
        <thead>
          <tr>
            {columns.map((name, i) => (
              <th key={name} scope="col" class={numeric && i > 0 ? "number" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function TablePanel(props: Props) {
  return (
    <section class="panel ops-panel">
      <h2>{props.title}</h2>
      <DataTable {...props} />
    </section>
  );
}
