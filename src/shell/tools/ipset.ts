// `ipset list` and `ipset save`: the sets of a namespace with what they hold now, as ipset 7 prints them.
import * as R from "../../../assembly/layout/records.ts";
import { longestPrefix } from "../../iptables/addresses.ts";
import { parseSets, type IpSet } from "../../iptables/ipset.ts";
import { formatProtocol } from "../../iptables/protocols.ts";
import type { Handle, Kernel } from "../../kernel/kernel.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

/** The revision of each type in Linux 6, and the words of its header before maxelem. */
const REVISIONS: Readonly<Record<string, number>> = {
  "hash:ip": 6,
  "hash:net": 7,
  "hash:ip,port": 7,
  "hash:net,port": 8,
  "hash:ip,port,ip": 7,
  "hash:ip,port,net": 8,
  "hash:net,net": 4,
  "hash:net,port,net": 3,
  "bitmap:port": 3,
};

/** A set with the line that created it, and its record in the kernel. */
interface Found {
  set: IpSet;
  type: string;
  handle: Handle;
}

export const ipset: Tool = {
  usage: "ipset list [SET] [-n|-t] | save [SET]",
  run(context, words) {
    const given = readOptions("ipset", words, { n: "flag", t: "flag" }, { name: "n", terse: "t" });
    const [command = "", name, ...more] = given.words;
    if ((command !== "list" && command !== "save") || more.length > 0)
      throw new ToolError(
        `ipset: ${command === "" ? "a command is missing" : `${given.words.join(" ")} is not emulated`}; there are list and save`,
      );
    const sets = setsOf(context).filter(({ set }) => name === undefined || set.name === name);
    if (name !== undefined && sets.length === 0)
      throw new ToolError(`ipset v7.17: The set with the given name does not exist`, 1);
    const { kernel } = context.emulation;
    const texts = sets.map((found) => {
      if (given.has("n")) return `${found.set.name}\n`;
      const members = membersOf(kernel, context.namespace.handle, found, context.emulation.nowNs);
      return command === "save" ? saved(found, members) : listed(found, members, given.has("t"));
    });
    context.out(texts.join(command === "list" && !given.has("n") ? "\n" : ""));
    return 0;
  },
};

/** The sets that the namespace was given; the kernel has them in its list the other way round. */
function setsOf({ emulation: { kernel, scenario }, namespace }: Context): Found[] {
  const config = scenario.plan.machines
    .flatMap(({ namespaces }) => namespaces)
    .find(({ name }) => name === namespace.name);
  const text = config?.sets ?? "";
  const types = new Map([...text.matchAll(/^create (\S+) (\S+)/gm)].map(([, name = "", type = ""]) => [name, type]));
  const handles: Handle[] = [];
  for (let at = kernel.word(namespace.handle + R.NS_SETS); at !== 0; at = kernel.word(at + R.SET_NEXT))
    handles.unshift(at);
  return parseSets(text, namespace.name).map((set, i) => ({
    set,
    type: types.get(set.name) ?? "",
    handle: handles[i] ?? 0,
  }));
}

function membersOf(kernel: Kernel, ns: Handle, { set, handle }: Found, nowNs: number): string[] {
  const members = kernel.records(kernel.word(handle + R.SET_ELEMENTS)).flatMap((at): string[] => {
    const expires = Number(kernel.long(at + R.ELEMENT_EXPIRES));
    if (expires !== 0 && expires <= nowNs) return [];
    const lengths = kernel.word(at + R.ELEMENT_LENGTHS);
    const network = (address: number, length: number): string =>
      `${kernel.addressText(ns, address)}${length === longestPrefix(set.family) ? "" : `/${length}`}`;
    const port = kernel.word(at + R.ELEMENT_PORT);
    const parts = set.parts.map((part) => {
      if (part === "address") return network(kernel.word(at + R.ELEMENT_ADDRESS), lengths >>> 8);
      if (part === "other") return network(kernel.word(at + R.ELEMENT_OTHER), lengths & 255);
      return part === "plainPort" ? `${port & 0xffff}` : `${formatProtocol(port >>> 16)}:${port & 0xffff}`;
    });
    const words = [parts.join(",")];
    if (set.timeout !== undefined) words.push(`timeout ${expires === 0 ? 0 : Math.ceil((expires - nowNs) / 1e9)}`);
    if (set.counters)
      words.push(`packets ${kernel.long(at + R.ELEMENT_PACKETS)} bytes ${kernel.long(at + R.ELEMENT_BYTES)}`);
    if (kernel.word(at + R.ELEMENT_NOMATCH) !== 0) words.push("nomatch");
    return [words.join(" ")];
  });
  return members.sort();
}

function headOf({ set, type }: Found): string {
  const more = `${set.timeout === undefined ? "" : ` timeout ${set.timeout}`}${set.counters ? " counters" : ""}${set.skbinfo ? " skbinfo" : ""}`;
  if (type === "bitmap:port") return `range ${(set.range ?? [0, 65535]).join("-")}${more}`;
  return `family ${set.family === "ipv4" ? "inet" : "inet6"} hashsize 1024 maxelem ${set.most}${more}`;
}

function saved(found: Found, members: readonly string[]): string {
  const { name } = found.set;
  return [`create ${name} ${found.type} ${headOf(found)}`, ...members.map((member) => `add ${name} ${member}`)]
    .map((line) => `${line}\n`)
    .join("");
}

/** How much memory a set takes is not told: it is not Linux's. */
function listed(found: Found, members: readonly string[], terse: boolean): string {
  const lines = [
    `Name: ${found.set.name}`,
    `Type: ${found.type}`,
    `Revision: ${REVISIONS[found.type] ?? 0}`,
    `Header: ${headOf(found)}`,
    `Number of entries: ${members.length}`,
    ...(terse ? [] : ["Members:", ...members]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
