// The lines of traffic as a table: one of them is chosen, by a click or with the arrow keys.
import { useState } from "preact/hooks";
import { formatCount, formatTime, plural } from "../src/report/format.ts";
import type { Picture, PictureLine } from "../src/report/picture.ts";
import { fateOf, lostOf, share } from "./fate.ts";
import { Head, Search } from "./parts.tsx";

interface Props {
  picture: Picture;
  chosen: number;
  onChoose: (line: number) => void;
}

/** From so many lines on there is a field to look for one. */
const MANY = 20;
const SHOWN = 200;

export function Flows({ picture, chosen, onChoose }: Props) {
  const { lines, otherLines } = picture;
  const [wanted, setWanted] = useState("");
  const found = lines.map((line, i) => [line, i] as const).filter(([{ name }]) => name.includes(wanted));
  const shown = found.slice(0, SHOWN);
  const move = (event: KeyboardEvent): void => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const now = shown.findIndex(([, i]) => i === chosen);
    const next = shown[Math.max(0, Math.min(shown.length - 1, now + by))];
    if (!next) return;
    onChoose(next[1]);
    const rows = (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("tbody tr");
    rows[shown.indexOf(next)]?.focus();
  };
  return (
    <>
      {lines.length > MANY && <Search hint="find a line" name="find a line" value={wanted} onChange={setWanted} />}
      <div class="scroll flows">
        <table onKeyDown={move}>
          <Head columns={[["line"], ["sent", true], ["answered"], ["p50", true], ["p99", true]]} />
          <tbody>
            {shown.map(([line, i]) => (
              <Row key={i} line={line} chosen={i === chosen} onChoose={() => onChoose(i)} />
            ))}
          </tbody>
        </table>
      </div>
      {found.length + otherLines > shown.length && (
        <p class="note">and {plural(found.length + otherLines - shown.length, "more line")}</p>
      )}
    </>
  );
}

function Row({ line, chosen, onChoose }: { line: PictureLine; chosen: boolean; onChoose: () => void }) {
  const { name, sent, delivered, refused, p50, p99 } = line;
  const part = (count: number): string => `${sent === 0 ? 0 : (100 * count) / sent}%`;
  return (
    <tr
      class={fateOf(line)}
      aria-selected={chosen}
      tabIndex={chosen ? 0 : -1}
      onClick={onChoose}
      onKeyDown={(event) => {
        if (event.key === "Enter" || event.key === " ") {
          event.preventDefault();
          onChoose();
        }
      }}
    >
      <th scope="row">{name}</th>
      <td class="number">{formatCount(sent)}</td>
      <td>
        <span class="bar" title={titleOf(line)}>
          <i class="ok" style={{ width: part(delivered) }} />
          <i class="refused" style={{ width: part(refused) }} />
          <i class="lost" style={{ width: part(lostOf(line)) }} />
        </span>
        <span class="percent">{share(delivered, sent)}</span>
      </td>
      <td class="number">{p50 === null ? "" : formatTime(p50)}</td>
      <td class="number">{p99 === null ? "" : formatTime(p99)}</td>
    </tr>
  );
}

function titleOf({ delivered, refused, timedOut, unresolved, open }: PictureLine): string {
  const parts = [
    [delivered, "answered"],
    [refused, "refused"],
    [timedOut, "timed out"],
    [unresolved, "without an address"],
    [open, "still waiting at the end"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${formatCount(count)} ${word}`)
    .join(", ");
}
