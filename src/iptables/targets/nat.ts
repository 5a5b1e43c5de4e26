// -j DNAT, SNAT, MASQUERADE and REDIRECT: new addresses and ports for a connection.
import {
  TARGET_DNAT,
  TARGET_MASQUERADE,
  TARGET_NAT_IPS,
  TARGET_NAT_OFFSET,
  TARGET_NAT_PERSISTENT,
  TARGET_NAT_PORTS,
  TARGET_NAT_RANDOM,
  TARGET_NAT_RANDOM_FULLY,
  TARGET_REDIRECT,
  TARGET_SNAT,
} from "../../../assembly/layout/rules.ts";
import { formatAddress, parseAddressRange, type AddressRange, type Family } from "../addresses.ts";
import type { BlockBuilder, RuleHead, TargetExtension } from "../extension.ts";
import type { HookName } from "../model.ts";
import type { Options } from "../options.ts";
import { hasPorts, PROTO_ICMP } from "../protocols.ts";
import { formatRange, parseRange, type Range } from "../values.ts";

type NatName = "DNAT" | "SNAT" | "MASQUERADE" | "REDIRECT";

/** The range that the new address and port are taken from. */
export interface NatTarget {
  kind: NatName;
  addresses?: AddressRange;
  ports?: Range;
  /** DNAT: the new port is ports.min + (old port - basePort). */
  basePort?: number;
  random: boolean;
  randomFully: boolean;
  persistent: boolean;
}

interface Shape {
  kind: number;
  hooks: readonly HookName[];
  /** The option with the range, and whether it may hold addresses. */
  to: "to-destination" | "to-source" | "to-ports";
  flags: readonly ("random" | "random-fully" | "persistent")[];
}

const SHAPES: Readonly<Record<NatName, Shape>> = {
  DNAT: { kind: TARGET_DNAT, hooks: ["PREROUTING", "OUTPUT"], to: "to-destination", flags: ["random", "persistent"] },
  SNAT: {
    kind: TARGET_SNAT,
    hooks: ["INPUT", "POSTROUTING"],
    to: "to-source",
    flags: ["random", "random-fully", "persistent"],
  },
  MASQUERADE: { kind: TARGET_MASQUERADE, hooks: ["POSTROUTING"], to: "to-ports", flags: ["random", "random-fully"] },
  REDIRECT: { kind: TARGET_REDIRECT, hooks: ["PREROUTING", "OUTPUT"], to: "to-ports", flags: ["random"] },
};

export const dnat = natTarget("DNAT");
export const snat = natTarget("SNAT");
export const masquerade = natTarget("MASQUERADE");
export const redirect = natTarget("REDIRECT");

function natTarget(name: NatName): TargetExtension<NatTarget> {
  const shape = SHAPES[name];
  return {
    name,
    options: [{ name: shape.to }, ...shape.flags.map((flag) => ({ name: flag, words: 0 as const }))],
    tables: ["nat"],
    hooks: () => shape.hooks,
    parse(options, rule) {
      const range = shape.to === "to-ports" ? readPorts(options) : readRange(options, shape.to, rule.family);
      if (range.ports) needPorts(options, shape.to, rule);
      return {
        kind: name,
        ...range,
        random: options.has("random"),
        randomFully: options.has("random-fully"),
        persistent: options.has("persistent"),
      };
    },
    print(target) {
      const range = shape.to === "to-ports" ? formatTo(target).slice(1) : formatTo(target);
      return (
        (range === "" ? "" : ` --${shape.to} ${range}`) +
        (target.random ? " --random" : "") +
        (target.randomFully ? " --random-fully" : "") +
        (target.persistent ? " --persistent" : "")
      );
    },
    compile: (target, block) => ({ kind: shape.kind, args: natWords(target, block) }),
  };
}

type ToRange = Pick<NatTarget, "addresses" | "ports" | "basePort">;

function readPorts(options: Options): ToRange {
  const ports = options.read("to-ports", "a port or a range such as 1024-2048", parsePorts);
  return ports ? { ports } : {};
}

function readRange(options: Options, name: string, family: Family): ToRange {
  const ports = name === "to-destination" ? "[:port[-port[/base]]]" : "[:port[-port]]";
  const shape = family === "ipv4" ? `[address[-address]]${ports}` : `address[-address] or [address[-address]]${ports}`;
  return options.need(name, shape, (word) => {
    const [head, behind] = family === "ipv4" ? splitPorts(word) : splitPorts6(word);
    const [tail, base, ...rest] = behind?.split("/") ?? [];
    if (rest.length > 0 || (base !== undefined && !(name === "to-destination" && tail?.includes("-"))))
      return undefined;
    if (head === "" && tail === undefined) return undefined;
    const addresses = head === "" ? undefined : parseAddressRange(head, family);
    const ports = tail === undefined ? undefined : parsePorts(tail);
    const basePort = base === undefined ? undefined : parseRange(base, 65535)?.min;
    const bad =
      (head !== "" && !addresses) || (tail !== undefined && !ports) || (base !== undefined && basePort === undefined);
    if (bad) return undefined;
    return { ...(addresses && { addresses }), ...(ports && { ports }), ...(basePort !== undefined && { basePort }) };
  });
}

/** `10.0.0.1:80` to its address and what stands behind the colon. */
function splitPorts(word: string): [head: string, ports: string | undefined] {
  const colon = word.indexOf(":");
  return colon < 0 ? [word, undefined] : [word.slice(0, colon), word.slice(colon + 1)];
}

/** `[fd00::1]:80`, `fd00::1` or `:80`. */
function splitPorts6(word: string): [head: string, ports: string | undefined] {
  const [, head, ports] = /^\[([^\]]+)\](?::(.*))?$/.exec(word) ?? [];
  if (head !== undefined) return [head, ports];
  return word.startsWith(":") && !word.startsWith("::") ? ["", word.slice(1)] : [word, undefined];
}

function parsePorts(text: string): Range | undefined {
  const range = /^[^:]+$/.test(text) ? parseRange(text, 65535, "-") : undefined;
  return range && range.min <= range.max ? range : undefined;
}

function needPorts(options: Options, name: string, rule: RuleHead): void {
  // iptables takes ICMP as well, whose identifier it treats as a port.
  const isIcmp = rule.family === "ipv4" && rule.protocol?.number === PROTO_ICMP && !rule.protocol.inverted;
  if (!hasPorts(rule.protocol) && !isIcmp)
    options.fail(name, "a port needs -p tcp, udp, udplite, sctp or dccp, not inverted");
}

function formatTo({ addresses, ports, basePort }: ToRange): string {
  let text = "";
  if (addresses) {
    text = formatAddress(addresses.min);
    if (addresses.max !== addresses.min) text += `-${formatAddress(addresses.max)}`;
    if (ports && typeof addresses.min === "bigint") text = `[${text}]`;
  }
  if (!ports) return text;
  return `${text}:${formatRange(ports, "-")}${basePort === undefined ? "" : `/${basePort}`}`;
}

/** The words of a NAT record: flags, addresses, ports, base port. */
function natWords(
  { addresses, ports, basePort, random, randomFully, persistent }: NatTarget,
  block: BlockBuilder,
): number[] {
  const flags =
    (addresses ? TARGET_NAT_IPS : 0) |
    (ports ? TARGET_NAT_PORTS : 0) |
    (random ? TARGET_NAT_RANDOM : 0) |
    (randomFully ? TARGET_NAT_RANDOM_FULLY : 0) |
    (persistent ? TARGET_NAT_PERSISTENT : 0) |
    (basePort === undefined ? 0 : TARGET_NAT_OFFSET);
  const [min, max] = [addresses?.min ?? 0, addresses?.max ?? 0].map((address) => block.address(address));
  return [flags, min ?? 0, max ?? 0, ports?.min ?? 0, ports?.max ?? 0, basePort ?? 0];
}
