// The short form of a case: one host with rules, a neighbour behind each of its interfaces that has every other address, and the
// frames of capture files that come in.
import { readFileSync } from "node:fs";
import { formatIpv4, formatMac, parseCidr, parseIpv4 } from "../address.ts";
import { InputError } from "../errors.ts";
import { parseRules } from "../iptables/parse.ts";
import { readCapture, type CapturedPacket } from "../pcap/read.ts";
import { readText, type Case } from "./case.ts";
import { injectSchema, topologySchema } from "./schema.ts";

/** The namespace that has the rules. */
export const HOST = "host";

export interface FirewallOptions {
  /** iptables-save text. */
  rules: string;
  /** `FILE` or `INTERFACE=FILE`. */
  in: readonly string[];
  /** `INTERFACE=ADDRESS/LENGTH` */
  address?: readonly string[] | undefined;
  /** `NETWORK=INTERFACE` or `NETWORK=GATEWAY`; NETWORK may be `default`. */
  route?: readonly string[] | undefined;
  /** `KEY=VALUE` */
  sysctl?: readonly string[] | undefined;
  /** `ipset save` text. */
  sets?: string | undefined;
}

interface Arrival {
  interface: string;
  packet: CapturedPacket;
}

const MILLISECOND = 1_000_000n;
const LAST_MS = 1000;
const ETHERNET_LENGTH = 14;
const IPV4 = 0x800;
/** So many senders get a route back to where they came from. */
const MOST_SENDERS = 4096;

/** The case that the options mean. Throws an InputError for what is missing or wrong. */
export function firewallCase(options: FirewallOptions): { lab: Case; arrivals: Arrival[] } {
  const text = readText(options.rules);
  const named = interfacesIn(text, options.rules);
  const files = options.in.map((word) => splitAt(word));
  const addresses = (options.address ?? []).map((word) => pair("--address", word, "eth0=10.0.0.1/24"));
  const names = [
    ...new Set([
      ...named,
      ...files.flatMap(([name]) => name ?? []),
      ...addresses.map(([name]) => name),
      "eth0",
      "eth1",
    ]),
  ].slice(0, Math.max(2, named.length + files.length + addresses.length));
  const arrivals = files
    .flatMap(([name, file]) => framesOf(file).map((packet) => ({ interface: name ?? names[0] ?? "", packet })))
    .sort((a, b) => Number(a.packet.time - b.packet.time));
  const topology = topologySchema.parse({
    namespaces: [
      { name: HOST, sysctl: sysctls(options, names) },
      ...names.flatMap((name) => [neighbour(name), { name: beyond(name), kind: "stub" }]),
    ],
    links: names.flatMap((name, i) => [
      {
        a: { ns: HOST, if: name, mac: macOf(arrivals, name, i) },
        b: { ns: outside(name), if: "wire", mac: `02:00:5e:00:00:${hex(i)}`, capture: false },
      },
      {
        a: { ns: outside(name), if: "beyond", mac: `02:00:5e:01:00:${hex(i)}`, capture: false },
        b: { ns: beyond(name), if: "eth0", mac: `02:00:5e:02:00:${hex(i)}`, capture: false },
      },
    ]),
    addresses: names.flatMap((name, i) => {
      const own = addresses.filter(([device]) => device === name).map(([, cidr]) => cidr);
      // 198.18.0.0/15 is for trying things out (RFC 2544).
      const cidrs = own.length > 0 ? own : [`198.18.${i}.1/24`];
      return [
        ...cidrs.map((cidr) => ({ ns: HOST, dev: name, cidr })),
        { ns: outside(name), dev: "wire", cidr: `198.19.${i}.1/32` },
        { ns: outside(name), dev: "beyond", cidr: `198.19.${i}.2/32` },
      ];
    }),
    routes: [
      ...routes(options, names, addresses, arrivals),
      ...names.map((name) => ({ ns: outside(name), dst: "default", dev: "beyond" })),
    ],
    capture: names.map((name) => `${HOST}:${name}`),
  });
  const steps = arrivals.map(({ interface: name, packet }, i) => {
    const next = arrivals[i + 1];
    const wait_ms = next ? Number(next.packet.time - packet.time) / Number(MILLISECOND) : LAST_MS;
    return { op: "inject", at: `${outside(name)}:wire`, hex: Buffer.from(packet.bytes).toString("hex"), wait_ms };
  });
  const drop = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j DROP\nCOMMIT\n";
  return {
    arrivals,
    lab: {
      name: options.rules,
      path: options.rules,
      topology,
      script: injectSchema.parse({ quiet_ms: 0, steps }),
      rules: new Map([
        [`${HOST}.v4`, text],
        ...(options.sets === undefined ? [] : [[`${HOST}.ipset`, readText(options.sets)] as const]),
        ...names.map((name) => [`${outside(name)}.v4`, drop] as const),
      ]),
      frames: [],
    },
  };
}

function outside(name: string): string {
  return `behind-${name}`;
}

function beyond(name: string): string {
  return `beyond-${name}`;
}

function hex(number: number): string {
  return (number + 1).toString(16).padStart(2, "0");
}

/** A host that answers ARP for every address and takes every packet without a word. */
function neighbour(name: string): { name: string; sysctl: Record<string, number> } {
  return {
    name: outside(name),
    sysctl: {
      "net.ipv4.ip_forward": 1,
      "net.ipv4.conf.wire.proxy_arp": 1,
      "net.ipv4.neigh.wire.proxy_delay": 0,
    },
  };
}

/** The interfaces that rules name with -i, then those with -o, each in their order. */
function interfacesIn(text: string, file: string): string[] {
  const rules = parseRules(text, file).tables.flatMap(({ chains }) => chains.flatMap((chain) => chain.rules));
  const names = [...rules.map((rule) => rule.in?.name), ...rules.map((rule) => rule.out?.name)];
  return [...new Set(names)].filter((name) => name !== undefined && name !== "lo" && !name.endsWith("+")) as string[];
}

function framesOf(file: string): CapturedPacket[] {
  try {
    return readCapture(readFileSync(file), file);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError({ field: "--in" }, `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? ""}`);
  }
}

/** `[INTERFACE=]FILE` */
function splitAt(word: string): [name: string | undefined, rest: string] {
  const at = word.indexOf("=");
  return at < 0 ? [undefined, word] : [word.slice(0, at), word.slice(at + 1)];
}

function pair(field: string, word: string, example: string): [name: string, value: string] {
  const [name, value] = splitAt(word);
  if (name === undefined || name === "" || value === "")
    throw new InputError({ field }, `${word} should be like ${example}`);
  return [name, value];
}

function sysctls({ sysctl = [] }: FirewallOptions, names: readonly string[]): Record<string, string> {
  return {
    "net.ipv4.ip_forward": "1",
    ...Object.fromEntries(names.map((name) => [`net.ipv4.conf.${name}.send_redirects`, "0"])),
    "net.ipv4.conf.all.send_redirects": "0",
    ...Object.fromEntries(sysctl.map((word) => pair("--sysctl", word, "net.ipv4.ip_forward=1"))),
  };
}

/** The address that most frames that come in there are sent to. */
function macOf(arrivals: readonly Arrival[], name: string, index: number): string {
  const counts = new Map<string, number>();
  for (const { interface: at, packet } of arrivals) {
    const mac = packet.bytes.subarray(0, 6);
    if (at !== name || mac.length < 6 || ((mac[0] ?? 0) & 1) !== 0) continue;
    const text = formatMac(mac);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most?.[0] ?? `02:00:00:00:00:${hex(index)}`;
}

/** What is said; else back to each sender by where it came from, and everything else out of the last interface. */
function routes(
  { route = [] }: FirewallOptions,
  names: readonly string[],
  addresses: readonly [string, string][],
  arrivals: readonly Arrival[],
): { ns: string; dst: string; dev?: string; via?: string }[] {
  const said = route.map((word) => {
    const [dst, to] = pair("--route", word, "10.1.0.0/16=eth1 or default=10.0.0.254");
    if (dst !== "default" && !parseCidr(dst))
      throw new InputError({ field: "--route" }, `${dst} should be a network such as 10.1.0.0/16, or default`);
    if (parseIpv4(to) === undefined && !names.includes(to))
      throw new InputError({ field: "--route" }, `${to} is neither a gateway's address nor one of ${names.join(", ")}`);
    return parseIpv4(to) === undefined ? { ns: HOST, dst, dev: to } : { ns: HOST, dst, via: to };
  });
  const own = new Set(addresses.map(([, cidr]) => cidr.split("/")[0]));
  const senders = new Map<string, string>();
  for (const { interface: dev, packet } of arrivals) {
    const source = sourceOf(packet.bytes);
    if (source !== undefined && !own.has(source) && senders.size < MOST_SENDERS && !senders.has(source))
      senders.set(source, dev);
  }
  const back = [...senders].map(([source, dev]) => ({ ns: HOST, dst: `${source}/32`, dev }));
  const hasDefault = said.some(({ dst }) => dst === "default");
  const last = names.at(-1) ?? "";
  return [...said, ...back, ...(hasDefault ? [] : [{ ns: HOST, dst: "default", dev: last }])];
}

/** The IPv4 source address of a frame that could be a neighbour's. */
function sourceOf(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < ETHERNET_LENGTH + 20 || view.getUint16(12) !== IPV4) return undefined;
  const source = view.getUint32(ETHERNET_LENGTH + 12);
  const first = source >>> 24;
  return first === 0 || first === 127 || first >= 224 ? undefined : formatIpv4(source);
}
