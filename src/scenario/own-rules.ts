// Rules of the user's own: iptables-restore --noflush on nodes, after kubelet, kube-proxy and the CNI plugins have written theirs.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import { parseRules } from "../iptables/parse.ts";
import { wholeText } from "../iptables/rules-text.ts";
import { printRules } from "../iptables/print.ts";
import { restore } from "../iptables/restore.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import type { Machine } from "../seam/machine.ts";
import type { Scenario } from "./schema.ts";

/** Loads the scenario's rule files into the nodes' root namespaces. Throws an InputError with the file's own line. */
export function addOwnRules(
  scenario: Scenario,
  document: Document | undefined,
  cluster: Cluster,
  machines: readonly Machine[],
): void {
  const done = new Map<string, string>();
  scenario.spec.rules.forEach(({ file, node }, i) => {
    const path = ["spec", "rules", i];
    if (node !== undefined && !cluster.nodes.some(({ name }) => name === node))
      document?.fail([...path, "node"], `there is no node ${node}${among(cluster.nodes.map(({ name }) => name))}`);
    const from = join(dirname(document?.file ?? ""), file);
    const text = read(from, document, [...path, "file"]);
    for (const { name } of node === undefined ? cluster.nodes : [{ name: node }]) {
      const root = machines.find((machine) => machine.name === name)?.namespaces[0];
      if (root?.rules === undefined) continue;
      // Nodes that had the same rules have the same again: one text, compiled once.
      const before = wholeText(root.rules);
      const key = `${i} ${before}`;
      const merged =
        done.get(key) ?? printRules(restore(parseRules(before, name), text, { noflush: true, file: from }));
      done.set(key, merged);
      root.rules = merged;
    }
  });
}

function read(file: string, document: Document | undefined, path: (string | number)[]): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return (
      document?.fail(path, code === "ENOENT" ? `there is no file ${file}` : `${file} cannot be read: ${code}`) ?? ""
    );
  }
}
