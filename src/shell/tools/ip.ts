// `ip` and `bridge`: what the namespace's links, addresses, routes, rules and neighbours are.
import { isIP } from "node:net";
import { formatIpv4, parseIpv4 } from "../../address.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";
import { bridgeFdb } from "./bridge-fdb.ts";
import { bridgeLinks, linkText, type IpStyle } from "./ip-links.ts";
import { neighbourText, routeText, routeText6, ruleText, tableOf } from "./ip-routes.ts";

const OBJECTS = ["address", "addr", "link", "neighbour", "neighbor", "neigh", "netns", "route", "rule"];

export const ip: Tool = {
  usage:
    "ip [-4|-6] [-br] [-s] addr|link [show [dev] DEVICE] | route [show [table T]] | route get ADDR | neigh | rule | netns list",
  run(context, words) {
    const style: IpStyle = { brief: false, statistics: false };
    let at = 0;
    for (; (words[at] ?? "").startsWith("-"); at++) {
      const option = (words[at] ?? "").replace(/^-+/, "");
      if (option === "br" || option === "brief") style.brief = true;
      else if (option === "s" || option === "stats" || option === "statistics") style.statistics = true;
      else if (option === "4" || option === "6") style.family = option === "4" ? "ipv4" : "ipv6";
      // What there is has no colour.
      else if (option !== "c" && option !== "color=never")
        throw new ToolError(`ip: option ${words[at] ?? ""} is not emulated`);
    }
    const word = words[at] ?? "";
    const object = word === "" ? undefined : OBJECTS.find((name) => name.startsWith(word));
    if (object === undefined)
      throw new ToolError(`ip: object "${word}" is not emulated; there are ${OBJECTS.join(", ")}`);
    const rest = words.slice(at + 1);
    switch (object) {
      case "address":
      case "addr":
        return showLinks(context, rest, style, true);
      case "link":
        return showLinks(context, rest, style, false);
      case "route":
        return showRoutes(context, rest, style);
      case "rule":
        verb("rule", rest, []);
        context.out(ruleText(context.emulation.kernel, context.namespace.handle, style.family === "ipv6"));
        return 0;
      case "netns":
        verb("netns", rest, []);
        for (const { name } of context.emulation.namespaces) context.out(`${name}\n`);
        return 0;
      default:
        return showNeighbours(context, rest, style);
    }
  },
};

/** Takes the verb from the words, and refuses those that would change something or select by what is not in `selectors`. */
function verb(object: string, words: readonly string[], selectors: readonly string[]): Map<string, string> {
  const [first = "show", ...others] = words;
  const isShow = first !== "" && ["show", "list", "ls", "lst"].some((name) => name.startsWith(first) && first !== "");
  const rest = isShow ? others : [...words];
  const chosen = new Map<string, string>();
  if (!isShow && ["add", "del", "delete", "set", "change", "replace", "flush", "append"].includes(first))
    throw new ToolError(`ip: ${object} ${first} is not emulated here; a scenario says what a cluster has`);
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? "";
    if (selectors.includes(word)) {
      const value = rest[++i];
      if (value === undefined) throw new ToolError(`ip: ${object}: a word is missing behind ${word}`);
      chosen.set(word, value);
    } else if (selectors.includes("dev") && !chosen.has("dev") && rest.length === 1) chosen.set("dev", word);
    else throw new ToolError(`ip: ${object} ${word} is not emulated`);
  }
  return chosen;
}

function checkDevice({ namespace }: Context, name: string | undefined): void {
  if (name !== undefined && !namespace.devices.some((device) => device.name === name))
    throw new ToolError(`Device "${name}" does not exist.`, 1);
}

function showLinks(context: Context, words: readonly string[], style: IpStyle, addresses: boolean): number {
  const { emulation, namespace } = context;
  const device = verb(addresses ? "addr" : "link", words, ["dev"]).get("dev");
  checkDevice(context, device);
  const shown = namespace.devices.filter(({ name }) => device === undefined || name === device);
  context.out(linkText(emulation.kernel, namespace, shown, style, addresses));
  return 0;
}

function showRoutes(context: Context, words: readonly string[], { family }: IpStyle): number {
  const { emulation, namespace } = context;
  if (words[0] !== undefined && words[0] !== "" && "get".startsWith(words[0]))
    return routeGet(context, words.slice(1), family);
  const chosen = verb("route", words, ["dev", "table"]);
  const table = chosen.get("table") ?? "main";
  const found = tableOf(emulation.kernel, namespace.handle, table, family === "ipv6");
  if (found === undefined)
    throw new ToolError(`Error: ${family ?? "ipv4"}: FIB table does not exist.\nDump terminated`);
  checkDevice(context, chosen.get("dev"));
  const text = family === "ipv6" ? routeText6 : routeText;
  context.out(text(emulation.kernel, namespace, found, chosen.get("dev")));
  return 0;
}

function routeGet({ emulation, namespace, out }: Context, words: readonly string[], family: IpStyle["family"]): number {
  const [word = "", ...others] = words[0] === "to" ? words.slice(1) : words;
  if (family !== "ipv4" && isIP(word) === 6) throw new ToolError("ip: route get of an IPv6 address is not emulated");
  const to = family === "ipv6" ? undefined : parseIpv4(word);
  if (to === undefined) throw new ToolError(`Error: any valid prefix is expected rather than "${word}".`, 1);
  const [key, value] = others;
  const source = key === "from" ? parseIpv4(value ?? "") : undefined;
  if (others.length > 0 && source === undefined)
    throw new ToolError(`ip: route get ${others.join(" ")} is not emulated`);
  const way = emulation.programs.way(namespace.handle, to, source ?? 0);
  if (!way) throw new ToolError("RTNETLINK answers: Network is unreachable");
  const device = namespace.devices.find(({ handle }) => handle === way.device)?.name ?? "lo";
  const from = source === undefined ? "" : ` from ${formatIpv4(source)}`;
  const via = way.local || way.nextHop === to ? "" : ` via ${formatIpv4(way.nextHop)}`;
  const own = source === undefined ? ` src ${formatIpv4(way.source)}` : "";
  out(
    `${way.local ? "local " : ""}${word}${from}${via} dev ${device}${own} uid 0 \n    cache ${way.local ? "<local> " : ""}\n`,
  );
  return 0;
}

function showNeighbours(context: Context, words: readonly string[], { family }: IpStyle): number {
  const { emulation, namespace } = context;
  const device = verb("neigh", words, ["dev"]).get("dev");
  checkDevice(context, device);
  context.out(neighbourText(emulation.kernel, namespace, emulation.nowNs, device, family));
  return 0;
}

export const bridge: Tool = {
  usage: "bridge link | fdb [show [br BRIDGE] [dev DEVICE]]",
  run(context, words) {
    const [object = "", ...rest] = readOptions("bridge", words, {}).words;
    const { emulation, namespace } = context;
    if (object !== "" && "link".startsWith(object)) {
      verb("link", rest, []);
      context.out(bridgeLinks(emulation.kernel, namespace));
      return 0;
    }
    if (object !== "" && "fdb".startsWith(object)) {
      const chosen = verb("fdb", rest, ["br", "brport", "dev"]);
      context.out(
        bridgeFdb(
          emulation.kernel,
          namespace,
          emulation.nowNs,
          chosen.get("br"),
          chosen.get("brport") ?? chosen.get("dev"),
        ),
      );
      return 0;
    }
    throw new ToolError(`bridge: object "${object}" is not emulated; there are link and fdb`);
  },
};
