// Parts that several sections of the page have: a table's head, a cell that shows how much by its colour, a field to search in.
import { formatCount } from "../src/report/format.ts";

/** The names of the columns; those of numbers stand on the right. */
export function Head({ columns }: { columns: readonly (readonly [name: string, isNumber?: boolean])[] }) {
  return (
    <thead>
      <tr>
        {columns.map(([name, isNumber = false]) => (
          <th key={name} scope="col" class={isNumber ? "number" : undefined}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** A number, and which part of the most it is, from 0 to 1. */
export function Heat({ count, part }: { count: number; part: number }) {
  return (
    <td class="number heat" style={{ "--heat": `${100 * part}%` }}>
      {formatCount(count)}
    </td>
  );
}

export function Search(props: { hint: string; name: string; value: string; onChange: (value: string) => void }) {
  const { hint, name, value, onChange } = props;
  return (
    <input
      type="search"
      placeholder={hint}
      aria-label={name}
      value={value}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}
