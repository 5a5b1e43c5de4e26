// The rules of all namespaces by heat: their counters added up, text by text.
import type { PictureRule } from "./picture.ts";

const RULE = /^\[(\d+):(\d+)\] -A (\S+) (.*)$/;

/** Takes `iptables-save -c` texts one after the other, and keeps none of them. Namespaces with one text share its rules. */
export class RuleHeat {
  readonly #found = new Map<string, PictureRule>();

  /** The rules of one namespace. */
  add(text: string): void {
    let table = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("*")) table = line.slice(1);
      const [, packets = "", bytes = "", chain = "", rest = ""] = line.startsWith("[") ? (RULE.exec(line) ?? []) : [];
      if (chain === "") continue;
      const key = `${table} ${chain} ${rest}`;
      const known = this.#found.get(key);
      const hit = packets === "0" ? 0 : 1;
      if (known) {
        known.packets += Number(packets);
        known.bytes += Number(bytes);
        known.namespaces += hit;
      } else {
        this.#found.set(key, {
          table,
          chain: copyOf(chain),
          text: copyOf(rest),
          packets: Number(packets),
          bytes: Number(bytes),
          namespaces: hit,
        });
      }
    }
  }

  /** Every rule, the hottest first. */
  hottest(): PictureRule[] {
    return [...this.#found.values()].sort((a, b) => b.packets - a.packets);
  }
}

/** The same characters, without the whole text that they were cut out of, which would stay in memory with them. */
function copyOf(part: string): string {
  return Buffer.from(part).toString();
}
