// Networks for tests, described in a few words and turned into what the seam says: machines and plans.
import type { IngressLocation, ListenerConfig, Machine, NamespaceConfig } from "../../src/seam/machine.ts";
import type { NetemConfig } from "../../src/seam/netem.ts";
import type { FlowConfig, FlowProtocol, Plan } from "../../src/seam/plan.ts";

export interface NamespaceWords {
  role?: NamespaceConfig["role"];
  sysctls?: Record<string, string | number>;
  rules?: string;
  /** By device: `10.0.0.1/24`, or several. */
  addresses?: Record<string, string | string[]>;
  /** `10.1.0.0/16 via 10.0.0.2`, `default via 10.0.0.1 dev eth0 metric 10 src 10.0.0.9`. */
  routes?: string[];
  /** `eth0 10.0.0.2 02:00:00:00:00:09`. */
  neighbours?: string[];
  /** `tcp 80`, `udp 10.0.0.1:53 dns`, `udp 53 dns forward 10.0.0.3`, `tcp 80 response 5000`. */
  listen?: string[];
}

/** A machine: its namespaces by name, and what joins them. */
export interface MachineWords {
  namespaces: Record<string, NamespaceWords>;
  /** Pairs of ends: `a/eth0 b/eth0`, `a/eth0 b/eth0 mtu 1400`. */
  veths?: string[];
  /** Bridge and ports: `r/br0: p1 p2+hairpin`. */
  bridges?: Record<string, string>;
  /** Cards and segments: `r/eth0 lan`. */
  wires?: string[];
  /** Of every device but loopback. */
  mtu?: number;
  /** By device: `a/eth0`. */
  netem?: Record<string, NetemConfig>;
  balancer?: Machine["balancer"];
  processor?: Machine["processor"];
  /** What listeners that are an `ingress` hand on. */
  ingress?: IngressLocation[];
}

/** A machine in the seam's words. Addresses of devices are 02:00:00:00:NN:00 for bridges, else 02:00:00:00:NN:MM in order. */
export function machineOf(name: string, words: MachineWords, number = 0): Machine {
  const mtu = words.mtu ?? 1500;
  let devices = 0;
  const hex = (value: number): string => value.toString(16).padStart(2, "0");
  const end = (text: string) => {
    const [namespace = "", device = ""] = split(text, "/");
    devices += 1;
    const netem = words.netem?.[text];
    return { namespace, name: device, mac: `02:00:00:00:${hex(number)}:${hex(devices)}`, ...(netem ? { netem } : {}) };
  };
  const ports = new Map<string, { bridge: string; hairpin: boolean }>();
  for (const [path, list] of Object.entries(words.bridges ?? {})) {
    const [namespace = "", bridge = ""] = split(path, "/");
    for (const port of list.split(" ")) {
      ports.set(`${namespace}/${port.replace("+hairpin", "")}`, { bridge, hairpin: port.endsWith("+hairpin") });
    }
  }
  const veths = (words.veths ?? []).map((text) => {
    const [a = "", b = "", , own] = text.split(" ");
    return { a: { ...end(a), ...ports.get(a) }, b: { ...end(b), ...ports.get(b) }, mtu: own ? Number(own) : mtu };
  });
  const wires = (words.wires ?? []).map((text) => {
    const [device = "", segment = ""] = text.split(" ");
    return { ...end(device), mtu, segment };
  });
  const bridges = Object.keys(words.bridges ?? {}).map((path) => ({ ...end(path), mtu }));
  const all = Object.entries(words.namespaces);
  return {
    name,
    namespaces: all.map(([namespace, { role = "host", sysctls = {}, rules }]) => ({
      name: namespace,
      role,
      sysctls: Object.entries(sysctls).map(([key, value]) => [key, String(value)]),
      ...(rules === undefined ? {} : { rules }),
    })),
    veths,
    wires,
    bridges,
    addresses: all.flatMap(([namespace, { addresses = {} }]) =>
      Object.entries(addresses).flatMap(([device, cidrs]) =>
        [cidrs].flat().map((cidr) => ({ namespace, device, cidr })),
      ),
    ),
    routes: all.flatMap(([namespace, { routes = [] }]) => routes.map((text) => routeOf(namespace, text))),
    neighbours: all.flatMap(([namespace, { neighbours = [] }]) =>
      neighbours.map((text) => {
        const [device = "", address = "", mac = ""] = text.split(" ");
        return { namespace, device, address, mac };
      }),
    ),
    listeners: all.flatMap(([namespace, { listen = [] }]) =>
      listen.map((text) => listenerOf(namespace, text, words.ingress)),
    ),
    ...(words.balancer ? { balancer: words.balancer } : {}),
    ...(words.processor ? { processor: words.processor } : {}),
  };
}

function split(text: string, separator: string): [string, string] {
  const at = text.lastIndexOf(separator);
  return [text.slice(0, at), text.slice(at + 1)];
}

function routeOf(namespace: string, text: string): Machine["routes"][number] {
  const [to = "", ...rest] = text.split(" ");
  const value = (key: string): string | undefined => (rest.includes(key) ? rest[rest.indexOf(key) + 1] : undefined);
  const optional = { via: value("via"), device: value("dev"), source: value("src") };
  const metric = value("metric");
  return {
    namespace,
    destination: to === "default" ? "0.0.0.0/0" : to,
    ...Object.fromEntries(Object.entries(optional).filter(([, part]) => part !== undefined)),
    ...(metric === undefined ? {} : { metric: Number(metric) }),
  };
}

function listenerOf(namespace: string, text: string, ingress: IngressLocation[] = []): ListenerConfig {
  const [protocol = "", where = "", ...rest] = text.split(" ");
  const [address, port] = where.includes(":") ? split(where, ":") : ["0.0.0.0", where];
  const size = rest.includes("response") ? { responseBytes: Number(rest.at(-1)) } : {};
  return {
    namespace,
    protocol: protocol as "tcp" | "udp",
    address,
    port: Number(port),
    application: rest.includes("dns") ? "dns" : rest.includes("ingress") ? "ingress" : "service",
    process: `${namespace} ${text}`,
    ...size,
    ...dnsOf(rest),
    ...(rest.includes("ingress") ? { ingress } : {}),
  };
}

/** `dns`, `dns outside`, `dns forward 10.0.0.3`. */
function dnsOf(rest: string[]): Partial<ListenerConfig> {
  if (!rest.includes("dns")) return {};
  const forward = rest[rest.indexOf("forward") + 1];
  const names = rest.includes("outside") ? "outside" : "zone";
  return { dns: { names, ...(rest.includes("forward") && forward !== undefined ? { forward } : {}) } };
}

/** A flow of one request at the start, unless other words say more; `to` is `address:port`. */
export function flow(
  namespace: string,
  protocol: FlowProtocol,
  to: string,
  more: Partial<FlowConfig> = {},
): FlowConfig {
  const [address, port] = split(to.includes(":") ? to : `${to}:0`, ":");
  return {
    line: 0,
    namespace,
    protocol,
    target: { address, port: Number(port) },
    rate: 1,
    arrival: "constant",
    startNs: 0,
    stopNs: 1,
    requestBytes: 32,
    timeoutNs: 600e9,
    ...more,
  };
}

/** A plan with nothing in it but what is given. */
export function planOf(machines: Machine[], more: Partial<Plan> = {}): Plan {
  const lines = Math.max(0, ...(more.flows ?? []).map(({ line }) => line + 1));
  return {
    seed: 1,
    durationNs: 10e9,
    machines,
    segments: [],
    lines: Array.from({ length: lines }, (_, i) => `line-${i}`),
    flows: [],
    zone: [],
    captures: [],
    names: [],
    ...more,
  };
}
