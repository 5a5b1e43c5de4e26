// What a node in ipvs mode costs: to read its rules and sets, to put virtual servers into the kernel, and to change one.
import { parseIpv4 } from "../address.ts";
import { addIpvs, changeIpvs, type BuiltIpvs } from "../engine/ipvs.ts";
import { addSets, numberSets, type NumberedSet } from "../engine/sets.ts";
import { compileText } from "../iptables/compile.ts";
import { parseSets } from "../iptables/ipset.ts";
import { NameTable } from "../iptables/names.ts";
import { countRules, wholeText } from "../iptables/rules-text.ts";
import { survey } from "../iptables/survey.ts";
import { Kernel } from "../kernel/kernel.ts";
import { compileKernel, newMemory } from "../kernel/load.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import { ipvsChange } from "../node/kube-proxy/ipvs/change.ts";
import type { IpvsConfig } from "../seam/ipvs.ts";
import type { NamespaceConfig } from "../seam/machine.ts";
import { machinesOf } from "./cluster.ts";
import { benchStates, best, ENOUGH_MS, GOES, round, timed, type RulesRow } from "./rules.ts";

/** A node in ipvs mode: its rules, and what ip_vs is told before and after one Service has another endpoint. */
export interface ServerTexts {
  /** Of iptables, chains' policies not counted. */
  rules: number;
  iptables: string;
  before: IpvsConfig;
  after: IpvsConfig;
}

/** That of the first node for so many Services, as in `ruleTexts`. */
export function serverTexts(services: number): ServerTexts {
  const { before, after } = benchStates(services);
  const rootOf = (state: Cluster): NamespaceConfig & { ipvs: IpvsConfig } => {
    const root = machinesOf(state, undefined, "ipvs")[0]?.namespaces[0];
    if (!root?.ipvs) throw new Error("the node has no ip_vs");
    return { ...root, ipvs: root.ipvs };
  };
  const root = rootOf(before);
  const iptables = wholeText(root.rules ?? "");
  return { rules: countRules(iptables), iptables, before: root.ipvs, after: rootOf(after).ipvs };
}

type ServerCosts = Required<Pick<RulesRow, "parse_ms" | "compile_ms" | "index_ms" | "change_ms">>;

/** `index_ms` is the time in which the kernel gets the addresses, the sets and the virtual servers. */
export function measureServers({ iptables, before, after }: ServerTexts): ServerCosts {
  const file = "rules of node-1";
  const read = ({ sets }: IpvsConfig) => parseSets(sets, "ipsets of node-1");
  const parsed = read(before);
  const compile = (names: NameTable): NumberedSet[] => {
    compileText(iptables, names, file);
    return numberSets(parsed, names);
  };
  const parse = best(GOES, ENOUGH_MS, () =>
    timed(() => {
      survey(iptables);
      read(before);
    }),
  );
  const compiled = best(GOES, ENOUGH_MS, () => timed(() => void compile(new NameTable())));
  const names = new NameTable();
  const sets = compile(names);
  const index = best(GOES, ENOUGH_MS, () => {
    const kernel = new Kernel(compileKernel(), newMemory());
    return timed(() => void load(kernel, before, sets));
  });
  const kernel = new Kernel(compileKernel(), newMemory());
  const built = load(kernel, before, sets);
  let [from, to] = [before, after];
  const changed = best(GOES, ENOUGH_MS, () => {
    const took = timed(() => {
      const change = ipvsChange(from, to);
      if (!change) return;
      const elements = (text: string) => numberSets(parseSets(text, "ipsets of node-1"), names);
      const { added, removed } = change.sets;
      changeIpvs(kernel, built, change, { added: elements(added), removed: elements(removed) });
    });
    [from, to] = [to, from];
    return took;
  });
  return {
    parse_ms: round(parse),
    compile_ms: round(compiled),
    index_ms: round(index),
    change_ms: round(changed),
  };
}

function load(kernel: Kernel, config: IpvsConfig, sets: readonly NumberedSet[]): BuiltIpvs {
  const ns = kernel.newNamespace(kernel.calls.newMachine(0), 0, 1n);
  const device = kernel.newDevice("dummy", ns, config.device, new Uint8Array(6), 1500);
  for (const address of config.addresses) kernel.calls.addAddress(ns, device, parseIpv4(address) ?? 0, 32);
  return addIpvs(kernel, { ns, device, sets: addSets(kernel, ns, sets) }, config);
}
