// `podwire rules`: the rules of one node, as iptables-save or nft would print them there.
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import type { Document } from "../documents/document.ts";
import { among, InputError } from "../errors.ts";
import { wholeText } from "../iptables/rules-text.ts";
import { parseObjects } from "../kubernetes/parse.ts";
import { contextSchema } from "../node/kube-proxy/context-schema.ts";
import { kubeProxyTable } from "../node/kube-proxy/nftables/proxy.ts";
import { kubeProxyRules } from "../node/kube-proxy/proxy.ts";
import { readDocument, readSources, type Sources } from "../scenario/files.ts";
import { prepare } from "../scenario/prepare.ts";
import type { NamespaceConfig } from "../seam/machine.ts";
import { integer } from "./options.ts";

interface RulesFlags {
  node?: string;
  nodes?: number;
  context?: string;
  table?: string;
  counters?: boolean;
  ipsets?: boolean;
  format: "iptables" | "nft";
}

/** Adds the command to the program. */
export function addRulesCommand(program: Command): void {
  program
    .command("rules")
    .summary("print a node's iptables rules")
    .description(
      "Prints the rules of a node as iptables-save would: kubelet's, kube-proxy's and the CNI plugins' chains, and whatever else the " +
        "node has. With --format nft, kube-proxy's table in nftables mode, as nft list table would. FILE is as for podwire run. With --context the Services and EndpointSlices of the FILEs are taken as they are written, " +
        "for the one kube-proxy that its file describes; docs/rules.md has the fields.",
    )
    .argument("<FILE...>", "manifests, a scenario, or folders of them")
    .addOption(new Option("--node <NAME>", "the node; the first if it is left out").conflicts("context"))
    .addOption(
      new Option("--nodes <N>", "number of nodes, in place of the scenario's")
        .argParser(integer(1, 5000))
        .conflicts("context"),
    )
    .addOption(
      new Option("--format <FORMAT>", "whose words: iptables; or nft, for kube-proxy's table in nftables mode")
        .choices(["iptables", "nft"])
        .default("iptables"),
    )
    .option("--context <FILE>", "a kube-proxy and its node, in place of a cluster")
    .option("--table <TABLE>", "this table only: mangle, raw, filter or nat")
    .option("--counters", "print the rules with counters, as iptables-save -c does: all are 0 before anything is sent")
    .addOption(
      new Option(
        "--ipsets",
        "print the ipsets that the rules of NetworkPolicies name, as ipset save does, in place of the rules",
      ).conflicts(["context", "table", "counters"]),
    )
    .action((files: string[], flags: RulesFlags) => {
      process.stdout.write(output(readSources(files), flags));
    });
}

function output(sources: Sources, flags: RulesFlags): string {
  if (flags.format === "nft") return nftOutput(sources, flags);
  if (flags.context !== undefined) return printed(proxyRules(sources, flags.context, kubeProxyRules), flags);
  const { rules = "", sets = "" } = rootOf(sources, flags);
  return flags.ipsets ? sets : printed(wholeText(rules), flags);
}

function nftOutput(sources: Sources, flags: RulesFlags): string {
  for (const field of ["table", "counters", "ipsets"] as const)
    if (flags[field] !== undefined)
      throw new InputError({ field: `--${field}` }, "it is for iptables; leave it out with --format nft");
  if (flags.context !== undefined) return proxyRules(sources, flags.context, kubeProxyTable);
  const { name, nft } = rootOf(sources, flags);
  if (nft === undefined)
    throw new InputError({ field: "--node" }, `${name} has no nft table, as no kube-proxy runs there; choose a node`);
  return nft;
}

/** The root namespace of a node of the cluster that `podwire run` would build. */
function rootOf(sources: Sources, { node, nodes, format }: RulesFlags): NamespaceConfig {
  const proxyMode = format === "nft" ? "nftables" : undefined;
  const { plan } = prepare(sources, { nodes, proxyMode, outDir: "" });
  const roots = plan.machines.flatMap(({ namespaces }) => namespaces.filter(({ rules }) => rules !== undefined));
  const root = node === undefined ? roots[0] : roots.find(({ name }) => name === node);
  if (!root)
    throw new InputError({ field: "--node" }, `there is no node ${node}${among(roots.map(({ name }) => name))}`);
  return root;
}

/** What one kube-proxy makes of objects that have their addresses already. */
function proxyRules({ document, manifests }: Sources, file: string, rulesOf: typeof kubeProxyRules): string {
  document?.fail(["kind"], "a Scenario has no part in the rules of --context; leave one of them out");
  const context = readDocument(file, { file, field: "--context" }).validate(contextSchema);
  const { services, endpointSlices } = parseObjects(withoutContext(manifests, file), { stored: true });
  for (const { service } of services)
    if (service.type !== "ExternalName" && service.clusterIPs.length === 0)
      process.stderr.write(
        `Service ${service.namespace}/${service.name} has no cluster IP, so kube-proxy leaves it alone; with --context none is allocated\n`,
      );
  return rulesOf(
    services.map(({ service }) => service),
    endpointSlices,
    context,
  );
}

/** A folder of objects may hold the context too. */
function withoutContext(manifests: readonly Document[], file: string): Document[] {
  return manifests.filter((document) => resolve(document.file) !== resolve(file));
}

function printed(text: string, { table, counters }: RulesFlags): string {
  const tables = text.split(/^(?=\*)/m);
  const chosen = table === undefined ? tables : tables.filter((part) => part.startsWith(`*${table}\n`));
  if (chosen.length === 0)
    throw new InputError(
      { field: "--table" },
      `the node has no table ${table}${among(tables.map((part) => part.slice(1, part.indexOf("\n"))))}`,
    );
  const all = chosen.join("");
  return counters ? all.replace(/^-A /gm, "[0:0] -A ") : all;
}
