// Builds the network of a case in a kernel, in the order in which a script of `ip`, `bridge` and `sysctl` commands would.
import { parseIpv4, parseMac } from "../address.ts";
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import { InputError } from "../errors.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import { findSysctl, sysctlNumber } from "../seam/sysctls.ts";
import { seedOf } from "../engine/random.ts";
import type { Case } from "./case.ts";
import { blockOf, numberOf } from "./family.ts";
import type { Topology } from "./schema.ts";

/** The namespaces and devices of a case in the kernel. */
export class Network {
  readonly kernel: Kernel;
  readonly file: string;
  readonly topology: Topology;
  readonly #namespaces = new Map<string, Handle>();
  /** `namespace:device`. */
  readonly #devices = new Map<string, Handle>();

  constructor(kernel: Kernel, { topology, path }: Case) {
    this.kernel = kernel;
    this.topology = topology;
    this.file = `${path}/topology.json`;
    refuseUnsupported(this);
    const machine = kernel.calls.newMachine(0) >>> 0;
    topology.namespaces.forEach(({ name }, id) => {
      const ns = kernel.newNamespace(machine, id, seedOf(0, `namespace ${name}`));
      this.#namespaces.set(name, ns);
      this.#devices.set(`${name}:lo`, kernel.calls.loopbackOf(ns) >>> 0);
    });
    for (const { a, b } of topology.links)
      kernel.calls.joinVeth(this.#add("veth", a.ns, a.if, a.mac, a.mtu), this.#add("veth", b.ns, b.if, b.mac, b.mtu));
    this.#addTunnels();
    this.#addBridges();
    this.#addForwardings();
    this.#setSysctls();
    for (const at of topology.down) this.setLink(at, false);
    this.#addAddresses();
  }

  namespace(name: string): Handle {
    const found = this.#namespaces.get(name);
    if (found === undefined) this.refuse(`there is no namespace ${name}`);
    return found;
  }

  /** `at` is `namespace:device`. */
  device(at: string): Handle {
    const found = this.#devices.get(at);
    if (found === undefined) this.refuse(`there is no interface ${at}`);
    return found;
  }

  /** The name of a device, `namespace:device`; undefined for 0. */
  nameOf(device: Handle): string | undefined {
    return [...this.#devices].find(([, handle]) => handle === device)?.[0];
  }

  setLink(at: string, up: boolean): void {
    this.kernel.calls.setLink(this.device(at), up ? 1 : 0);
  }

  /** `sysctl -w`. A key of `conf.default` is one of every device, as it comes before they are made. */
  setSysctl(namespace: string, key: string, value: string | number | boolean): void {
    const dotted = key.replaceAll("/", ".");
    const number = sysctlNumber(dotted, value);
    if (Number.isNaN(number)) this.refuse(`sysctl ${dotted} cannot be ${String(value)}`);
    const devices = [...this.#devices].filter(([at]) => at.startsWith(`${namespace}:`));
    if (dotted.startsWith("net.ipv4.conf.default.")) {
      for (const [at] of devices)
        this.setSysctl(namespace, dotted.replace(".default.", `.${at.slice(namespace.length + 1)}.`), number);
      return;
    }
    const sysctl = findSysctl(dotted);
    if (!sysctl) this.refuse(`sysctl ${dotted} is not emulated yet`);
    if ("index" in sysctl) this.kernel.calls.setSysctl(this.namespace(namespace), sysctl.index, number);
    else
      this.kernel.calls.setDeviceKey(this.device(`${namespace}:${sysctl.device}`), sysctl.field, number * sysctl.scale);
  }

  refuse(sentence: string): never {
    throw new InputError({ file: this.file }, sentence);
  }

  #add(kind: "veth" | "bridge" | "vxlan", ns: string, name: string, mac: string, mtu: number): Handle {
    const handle = this.kernel.newDevice(kind, this.namespace(ns), name, macBytes(mac), mtu);
    this.#devices.set(`${ns}:${name}`, handle);
    return handle;
  }

  #addTunnels(): void {
    for (const { ns, name, mac, mtu, vni, port, local, remote, ...more } of this.topology.vxlan) {
      const handle = this.#add("vxlan", ns, name, mac, mtu);
      this.kernel.makeTunnel(handle, this.namespace(ns), vni, port, parseIpv4(local ?? "0.0.0.0") ?? 0, more);
      if (remote !== undefined) this.kernel.addRemote(handle, new Uint8Array(6), parseIpv4(remote) ?? 0);
    }
  }

  #addBridges(): void {
    for (const { ns, name, mac, mtu, ports, ageing_ms, group_fwd_mask } of this.topology.bridges) {
      const names = ports.map((port) => (typeof port === "string" ? port : port.if));
      const mtus = names.map((port) => this.kernel.word(this.device(`${ns}:${port}`) + R.DEV_MTU));
      const bridge = this.#add("bridge", ns, name, mac, mtu ?? Math.min(1500, ...mtus));
      if (ageing_ms !== undefined) this.kernel.setAgeing(bridge, ageing_ms);
      this.kernel.setWord(bridge + R.DEV_GROUP_FORWARD, group_fwd_mask);
      for (const port of ports) {
        const flags = typeof port === "string" ? { if: port } : port;
        const handle = this.device(`${ns}:${flags.if}`);
        this.kernel.addPort(bridge, handle, false);
        this.kernel.setWord(handle + R.DEV_PORT_FLAGS, portFlags(flags));
      }
    }
  }

  #addForwardings(): void {
    for (const { ns, dev, mac, state, dst } of this.topology.fdb) {
      if (dst === undefined) this.addForwarding(ns, dev, mac, state);
      else this.kernel.addRemote(this.device(`${ns}:${dev}`), macBytes(mac), parseIpv4(dst) ?? 0);
    }
  }

  /** First those of the namespace, then those of devices, as the latter find no device at first. */
  #setSysctls(): void {
    const { namespaces } = this.topology;
    for (const { name } of namespaces) {
      for (const [key, value] of Object.entries(BASE)) this.setSysctl(name, key, value);
      for (const at of this.#devices.keys()) {
        if (!at.startsWith(`${name}:`)) continue;
        const conf = `net.ipv4.neigh.${at.slice(name.length + 1)}`;
        this.setSysctl(name, `${conf}.delay_first_probe_time`, 60);
        this.setSysctl(name, `${conf}.retrans_time_ms`, 60000);
      }
    }
    for (const { name, sysctl } of namespaces) {
      const entries = Object.entries(sysctl);
      const early = entries.filter(([key]) => !isOfDevice(key));
      for (const [key, value] of [...early, ...entries.filter(([key]) => isOfDevice(key))])
        this.setSysctl(name, key, value);
    }
  }

  #addAddresses(): void {
    const { topology } = this;
    for (const { ns, dev, cidr } of topology.addresses) this.addAddress(ns, dev, cidr);
    for (const route of topology.routes) this.addRoute(route);
    for (const rule of topology.ip_rules) this.addPolicy(rule);
    for (const { ns, dev, ip, mac } of topology.neigh) this.addNeighbour(ns, dev, ip, mac);
  }

  /** `ip addr add CIDR dev DEV`. */
  addAddress(ns: string, dev: string, cidr: string): void {
    const parsed = blockOf(this.kernel, cidr);
    if (!parsed) this.refuse(`${ns}: ${cidr} is not an address with prefix length`);
    this.kernel.calls.addAddress(this.namespace(ns), this.device(`${ns}:${dev}`), parsed.address, parsed.prefix);
  }

  /** `ip neigh replace IP lladdr MAC dev DEV nud permanent`. */
  addNeighbour(ns: string, dev: string, ip: string, mac: string): void {
    const address = numberOf(this.kernel, ip);
    if (address === undefined) this.refuse(`${ns}: ${ip} is not an address`);
    this.kernel.addNeighbour(this.namespace(ns), this.device(`${ns}:${dev}`), address, macBytes(mac));
  }

  /** `bridge fdb replace MAC dev DEV master STATE`. */
  addForwarding(ns: string, dev: string, mac: string, state: string): void {
    if (state === "dynamic") this.refuse("fdb entries of state dynamic are not emulated yet");
    const port = this.device(`${ns}:${dev}`);
    const isLocal = state === "permanent" || state === "local";
    this.kernel.addForwarding(this.kernel.word(port + R.DEV_MASTER), port, macBytes(mac), isLocal);
  }

  /** `ip route add`. */
  addRoute(route: Topology["routes"][number]): void {
    const { ns, dst, type, via, dev, src, metric, mtu, table } = route;
    const to = blockOf(this.kernel, dst === "default" ? (via?.includes(":") ? "::/0" : "0.0.0.0/0") : dst);
    if (!to) return;
    const device = dev === undefined ? 0 : this.device(`${ns}:${dev}`);
    const [gateway, source] = [via, src].map((text) => numberOf(this.kernel, text ?? "0.0.0.0") ?? 0) as [
      number,
      number,
    ];
    const result = this.kernel.calls.addRouteTo(
      this.namespace(ns),
      this.#table(table ?? "main"),
      to.network,
      to.prefix,
      TYPES[type],
      gateway,
      device,
      source,
      metric,
      mtu ?? 0,
    );
    if (result < 0) this.refuse(`${ns}: route ${dst}: the gateway is not on any network`);
  }

  #table(table: string | number): number {
    if (table === "main") return TABLE_MAIN;
    const number = Number(table);
    if (!Number.isInteger(number) || number < 1) this.refuse(`routing table ${table} should be main or a number`);
    return number;
  }

  /** `from 10.0.0.1 to 172.16.0.0/12 lookup 100 priority 100`, or with `prohibit` and the like in place of `lookup 100`; so for IPv6. */
  addPolicy({ ns, rule }: Topology["ip_rules"][number]): void {
    const all = rule.includes(":") ? "::/0" : "0.0.0.0/0";
    const words = rule.split(/\s+/);
    const given = new Map<string, string>();
    let type: Exclude<keyof typeof TYPES, "unicast"> | undefined;
    for (let i = 0; i < words.length; i++) {
      const word = words[i] ?? "";
      if (word === "unreachable" || word === "blackhole" || word === "prohibit") type = word;
      else if (["from", "to", "lookup", "priority"].includes(word)) given.set(word, words[++i] ?? "");
      else this.refuse(`${ns}: ip rule "${rule}": ${word} is not emulated yet`);
    }
    const [from, to] = [given.get("from"), given.get("to")].map((text) =>
      blockOf(this.kernel, text === undefined || text === "all" ? all : text),
    );
    const priority = Number(given.get("priority"));
    const table = given.get("lookup");
    if (!from || !to || !(priority > 0 && priority < 32766) || (table === undefined) === (type === undefined))
      this.refuse(
        `${ns}: ip rule "${rule}" should have networks, a table or an action, and a priority from 1 to 32765`,
      );
    this.kernel.calls.addPolicy(
      this.namespace(ns),
      priority,
      from.network,
      from.prefix,
      to.network,
      to.prefix,
      table === undefined ? 0 : this.#table(table),
      TYPES[type ?? "unicast"],
    );
  }
}

const TABLE_MAIN = 254;

/** What every namespace starts with besides the kernel's defaults: nothing here depends on how fast a machine is. */
const BASE: Readonly<Record<string, number>> = {
  "net.ipv4.icmp_ratemask": 0,
  "net.ipv4.tcp_synack_retries": 0,
  "net.ipv6.icmp.ratelimit": 0,
  "net.ipv6.auto_flowlabels": 0,
};

const TYPES = {
  unicast: codes.ROUTE_UNICAST,
  blackhole: codes.ROUTE_BLACKHOLE,
  unreachable: codes.ROUTE_UNREACHABLE,
  prohibit: codes.ROUTE_PROHIBIT,
} as const;

function isOfDevice(key: string): boolean {
  return /^net[./]ipv[46][./](conf|neigh)[./](?!all|default)/.test(key);
}

function macBytes(text: string): Uint8Array {
  return parseMac(text) ?? new Uint8Array(6);
}

type PortFlags = Partial<
  Record<"hairpin" | "isolated" | "learning" | "flood" | "mcast_flood" | "bcast_flood", unknown>
>;

function portFlags(port: PortFlags): number {
  return (
    (port.hairpin ? codes.PORT_HAIRPIN : 0) |
    (port.isolated ? codes.PORT_ISOLATED : 0) |
    (port.learning === false ? 0 : codes.PORT_LEARNING) |
    (port.flood === false ? 0 : codes.PORT_FLOOD) |
    (port.mcast_flood === false ? 0 : codes.PORT_MCAST_FLOOD) |
    (port.bcast_flood === false ? 0 : codes.PORT_BCAST_FLOOD)
  );
}

/** What a topology may ask for and the kernel does not have, by name. */
function refuseUnsupported(network: Network): void {
  const { topology } = network;
  const own = topology.addresses.some(({ scope, broadcast, peer }) => scope ?? broadcast ?? peer);
  const refusals: [sentence: string, asked: boolean][] = [
    ["multicast snooping is", topology.bridges.some(({ mcast_snooping }) => mcast_snooping)],
    ["an address with a scope, broadcast or peer of its own is", own],
  ];
  for (const [sentence, asked] of refusals) if (asked) network.refuse(`${sentence} not emulated yet`);
}
