// `podwire rules`: what filters and balances on one node, as iptables-save, nft, ipset or ipvsadm would print it there.
import { resolve } from "node:path";
import { Option, type Command } from "commander";
import type { Document } from "../documents/document.ts";
import { among, InputError } from "../errors.ts";
import { wholeText } from "../iptables/rules-text.ts";
import { parseObjects } from "../kubernetes/parse.ts";
import { contextSchema } from "../node/kube-proxy/context-schema.ts";
import { saveServices } from "../node/kube-proxy/ipvs/ipvsadm.ts";
import { ipvsRules, ipvsServices, kubeProxyIpvs } from "../node/kube-proxy/ipvs/proxy.ts";
import { fullSetSentence } from "../node/kube-proxy/ipvs/sets.ts";
import { kubeProxyTable } from "../node/kube-proxy/nftables/proxy.ts";
import { kubeProxyRules } from "../node/kube-proxy/proxy.ts";
import { readDocument, readSources, type Sources } from "../scenario/files.ts";
import { prepare } from "../scenario/prepare.ts";
import type { ProxyMode } from "../node/machine.ts";
import type { IpvsConfig } from "../seam/ipvs.ts";
import type { NamespaceConfig } from "../seam/machine.ts";
import { integer, proxyModeOption } from "./options.ts";

const FORMATS = ["iptables", "nft", "ipset", "ipvsadm"] as const;
type Format = (typeof FORMATS)[number];

/** kube-proxy's mode without which there is nothing in a format. */
const MODE_OF: Partial<Record<Format, ProxyMode>> = { nft: "nftables", ipvsadm: "ipvs" };

interface RulesFlags {
  node?: string;
  nodes?: number;
  context?: string;
  table?: string;
  counters?: boolean;
  ipsets?: boolean;
  proxyMode?: ProxyMode;
  format: Format;
}

/** Adds the command to the program. */
export function addRulesCommand(program: Command): void {
  program
    .command("rules")
    .summary("print a node's iptables rules")
    .description(
      "Prints the rules of a node as iptables-save would: kubelet's, kube-proxy's and the CNI plugins' chains, and whatever else the " +
        "node has. With --format nft, kube-proxy's table in nftables mode, as nft list table would; with --format ipvsadm, its virtual " +
        "servers in ipvs mode, as ipvsadm -Sn would. FILE is as for podwire run. With --context the Services and EndpointSlices of the FILEs are taken as they are written, " +
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
      new Option(
        "--format <FORMAT>",
        "whose words: iptables; ipset, for the sets that rules name; nft, for kube-proxy's table in nftables mode; or ipvsadm, for " +
          "its virtual servers in ipvs mode",
      )
        .choices(FORMATS)
        .default("iptables"),
    )
    .addOption(proxyModeOption())
    .option("--context <FILE>", "a kube-proxy and its node, in place of a cluster")
    .option("--table <TABLE>", "this table only: mangle, raw, filter or nat")
    .option("--counters", "print the rules with counters, as iptables-save -c does: all are 0 before anything is sent")
    .addOption(
      new Option(
        "--ipsets",
        "print the ipsets that the rules of NetworkPolicies, and of kube-proxy in ipvs mode, name, as ipset save does: --format ipset",
      )
        .implies({ format: "ipset" })
        .conflicts(["table", "counters"]),
    )
    .action((files: string[], flags: RulesFlags) => {
      process.stdout.write(output(readSources(files), flags));
    });
}

function output(sources: Sources, flags: RulesFlags): string {
  const { format, context } = flags;
  const needed = MODE_OF[format];
  const mode = needed ?? flags.proxyMode;
  if (needed !== undefined && flags.proxyMode !== undefined && flags.proxyMode !== needed)
    throw new InputError({ field: "--proxy-mode" }, `should be ${needed} with --format ${format}, or be left out`);
  if (format !== "iptables") refuseTableFlags(flags);
  if (context !== undefined) return contextOutput(sources, context, flags, mode);
  const { name, rules = "", sets = "", nft, ipv6Nft = "", ipvs } = rootOf(sources, flags, mode);
  if (ipvs) warnOfFullSets(ipvs);
  switch (format) {
    case "iptables":
      return printed(wholeText(rules), flags);
    case "ipset":
      return sets + (ipvs?.sets ?? "");
    case "nft":
      return nft === undefined ? noProxy(name, "nft table") : nft + ipv6Nft;
    case "ipvsadm":
      return ipvs ? saveServices(ipvs.services) : noProxy(name, "virtual servers");
  }
}

function warnOfFullSets({ full }: Pick<IpvsConfig, "full">): void {
  for (const set of full) process.stderr.write(`podwire: ${fullSetSentence(set)}\n`);
}

function refuseTableFlags(flags: RulesFlags): void {
  for (const field of ["table", "counters"] as const)
    if (flags[field] !== undefined)
      throw new InputError({ field: `--${field}` }, `it is for iptables; leave it out with --format ${flags.format}`);
}

function noProxy(name: string, what: string): never {
  throw new InputError({ field: "--node" }, `${name} has no ${what}, as no kube-proxy runs there; choose a node`);
}

/** What the one kube-proxy of a context makes. */
function contextOutput(sources: Sources, file: string, flags: RulesFlags, mode: ProxyMode = "iptables"): string {
  const { format } = flags;
  if (format === "nft") return proxyRules(sources, file, kubeProxyTable);
  if (format === "ipvsadm") return proxyRules(sources, file, ipvsServices);
  if (format === "ipset") {
    if (mode === "ipvs")
      return proxyRules(sources, file, (...objects) => {
        const { ipvs } = kubeProxyIpvs(...objects);
        warnOfFullSets(ipvs);
        return ipvs.sets;
      });
    throw new InputError(
      { field: "--format" },
      "ipset with --context needs --proxy-mode ipvs: kube-proxy has no other sets",
    );
  }
  if (mode === "nftables")
    throw new InputError({ field: "--format" }, "should be nft with --context and --proxy-mode nftables");
  return printed(proxyRules(sources, file, mode === "ipvs" ? ipvsRules : kubeProxyRules), flags);
}

/** The root namespace of a node of the cluster that `podwire run` would build. */
function rootOf(sources: Sources, { node, nodes }: RulesFlags, proxyMode: ProxyMode | undefined): NamespaceConfig {
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
