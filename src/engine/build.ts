// Builds a machine in a kernel: what a boot and the Kubernetes components do with ip, bridge, sysctl and iptables-restore.
import * as R from "../../assembly/layout/records.ts";
import { parseCidr, parseMac } from "../address.ts";
import { parseCidr6 } from "../address6.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import { findSysctl, sysctlNumber } from "../seam/sysctls.ts";
import type { IpvsConfig } from "../seam/ipvs.ts";
import type { ListenerConfig, Machine, NamespaceConfig } from "../seam/machine.ts";
import type { NetemConfig } from "../seam/netem.ts";
import { addBalancer, type BuiltBalancer } from "./balancer.ts";
import type { Job, PlacedMachine, WorkerResult } from "./job.ts";
import { ingressBlock } from "./ingress.ts";
import { addNetem } from "./netem.ts";
import { counted, placeAnswer, responseOf, type Answer } from "./payload.ts";
import { addProcessor, type BuiltProcessor } from "./processor.ts";
import { seedOf } from "./random.ts";
import { addIpvs, type BuiltIpvs } from "./ipvs.ts";
import { addSets } from "./sets.ts";

const RESPONSE_BYTES = 200;

type ServerSocket = [
  protocol: ListenerConfig["protocol"],
  address: number,
  port: number,
  application: ListenerConfig["application"],
  argument: Handle,
];

/** Namespaces and devices of the machines that a worker has built, by name. */
export interface Built {
  namespaces: Map<string, Handle>;
  /** `<namespace>/<device>`. */
  devices: Map<string, Handle>;
  balancers: BuiltBalancer[];
  /** By namespace. */
  ipvs: Map<string, BuiltIpvs>;
  processors: BuiltProcessor[];
  listenErrors: WorkerResult["listenErrors"];
  /** By namespace, what the servers of those whose processes begin in the run listen with. */
  servers: Map<string, ServerSocket[]>;
  /** Of listeners with a response of their own, by `answerKey`. */
  answers: Map<string, Answer>;
  /** By namespace, its servers that answer from the cluster's zone. */
  nameServers: Map<string, Handle[]>;
  /** By namespace, the words by which its reverse proxies find their locations. */
  ingresses: Map<string, Handle[]>;
}

/** A listener's key in `Built.answers`. */
export function answerKey(namespace: string, { address, port }: Pick<ListenerConfig, "address" | "port">): string {
  return `${namespace} ${address}:${port}`;
}

/** Builds one machine and adds its parts to `built`. */
export function buildMachine(kernel: Kernel, job: Job, placed: PlacedMachine, built: Built): void {
  const { machine } = placed;
  const record = kernel.calls.newMachine(placed.id) >>> 0;
  machine.namespaces.forEach((config, i) => {
    const id = placed.namespaces[i]?.id ?? 0;
    const ns = kernel.newNamespace(record, id, seedOf(job.seed, `namespace ${config.name}`));
    built.namespaces.set(config.name, ns);
    built.devices.set(`${config.name}/lo`, kernel.calls.loopbackOf(ns) >>> 0);
  });
  addDevices(kernel, job, placed, built);
  addAddresses(kernel, machine, built);
  addCommonRoutes(kernel, placed, built);
  machine.namespaces.forEach((config) => setSysctls(kernel, config, built));
  machine.namespaces.forEach((config, i) => {
    const { rules = 0, rules6 = 0, sets = [] } = placed.namespaces[i] ?? {};
    const handles = addSets(kernel, namespace(built, config.name), sets);
    if (config.ipvs) built.ipvs.set(config.name, startIpvs(kernel, config.name, config.ipvs, handles, built));
    if (rules !== 0) kernel.enforceRules(namespace(built, config.name), rules, "ipv4");
    if (rules6 !== 0) kernel.enforceRules(namespace(built, config.name), rules6, "ipv6");
  });
  addListeners(kernel, job, machine, built);
  const { balancer, processor } = machine;
  if (processor) built.processors.push(addProcessor(kernel, machine.name, record, processor));
  if (balancer) built.balancers.push(addBalancer(kernel, namespace(built, balancer.namespace), balancer));
}

function startIpvs(
  kernel: Kernel,
  name: string,
  config: IpvsConfig,
  sets: ReadonlyMap<number, Handle>,
  built: Built,
): BuiltIpvs {
  const at = { ns: namespace(built, name), device: device(built, name, config.device), sets };
  return addIpvs(kernel, at, config);
}

function namespace(built: Built, name: string): Handle {
  const found = built.namespaces.get(name);
  if (found === undefined) throw new Error(`there is no namespace ${name}`);
  return found;
}

function device(built: Built, namespaceName: string, name: string): Handle {
  const found = built.devices.get(`${namespaceName}/${name}`);
  if (found === undefined) throw new Error(`there is no device ${namespaceName}/${name}`);
  return found;
}

function mac(text: string): Uint8Array {
  const bytes = parseMac(text);
  if (!bytes) throw new Error(`${text} is not a MAC address`);
  return bytes;
}

/** An address with a prefix length, either of either family, as the kernel has them. */
function network(kernel: Kernel, text: string): { address: number; prefix: number } {
  const four = parseCidr(text);
  if (four) return four;
  const six = parseCidr6(text);
  if (!six) throw new Error(`${text} is not an address with a prefix length`);
  return { address: kernel.addressNumber6(six.address), prefix: six.prefix };
}

/** What a server binds to: `::` is any address as 0.0.0.0 is, of both families. */
function bound(kernel: Kernel, text: string): number {
  return text === "::" ? 0 : kernel.addressNumber(text);
}

function addDevices(kernel: Kernel, job: Job, { machine, worker, ports }: PlacedMachine, built: Built): void {
  const add = (
    kind: "veth" | "bridge" | "wire" | "vxlan" | "dummy",
    end: { namespace: string; name: string; mac: string },
    mtu: number,
  ): Handle => {
    const handle = kernel.newDevice(kind, namespace(built, end.namespace), end.name, mac(end.mac), mtu);
    built.devices.set(`${end.namespace}/${end.name}`, handle);
    return handle;
  };
  const impair = (
    handle: Handle,
    end: { namespace: string; name: string; netem?: NetemConfig },
    wire: boolean,
  ): void => {
    if (end.netem) addNetem(kernel, handle, end.netem, job, `${end.namespace}/${end.name}`, wire);
  };
  machine.wires.forEach((wire, i) => {
    const segment = job.segments[wire.segment];
    if (!segment) throw new Error(`there is no segment ${wire.segment}`);
    const handle = add("wire", wire, wire.mtu);
    kernel.calls.plug(segment.handle, ports[i] ?? 0, handle, worker);
    impair(handle, wire, true);
  });
  for (const tunnel of machine.tunnels ?? []) {
    const handle = add("vxlan", tunnel, tunnel.mtu);
    kernel.makeTunnel(
      handle,
      namespace(built, tunnel.namespace),
      tunnel.vni,
      tunnel.port,
      kernel.addressNumber(tunnel.local),
    );
    for (const remote of tunnel.remotes)
      kernel.addRemote(handle, mac(remote.mac), kernel.addressNumber(remote.address));
  }
  for (const bridge of machine.bridges) add("bridge", bridge, bridge.mtu);
  for (const dummy of machine.dummies ?? []) add("dummy", dummy, dummy.mtu);
  for (const { a, b, mtu } of machine.veths) {
    const ends = [a, b].map((end) => add("veth", end, end.mtu ?? mtu)) as [Handle, Handle];
    kernel.calls.joinVeth(...ends);
    impair(ends[0], a, false);
    impair(ends[1], b, false);
    for (const end of [a, b]) {
      if (end.bridge === undefined) continue;
      const port = device(built, end.namespace, end.name);
      kernel.addPort(device(built, end.namespace, end.bridge), port, end.hairpin ?? false);
    }
  }
}

function addAddresses(kernel: Kernel, machine: Machine, built: Built): void {
  for (const { namespace: name, device: on, cidr } of machine.addresses) {
    const { address, prefix } = network(kernel, cidr);
    kernel.calls.addAddress(namespace(built, name), device(built, name, on), address, prefix);
  }
  for (const route of machine.routes) {
    const to = network(kernel, route.destination);
    const via = route.via === undefined ? 0 : kernel.addressNumber(route.via);
    const by = route.device === undefined ? 0 : device(built, route.namespace, route.device);
    const source = route.source === undefined ? 0 : kernel.addressNumber(route.source);
    const ns = namespace(built, route.namespace);
    const result = kernel.calls.addRoute(ns, to.address, to.prefix, via, by, source, route.metric ?? 0);
    if (result < 0)
      throw new Error(`${route.namespace}: route ${route.destination}: the gateway is not on any network`);
  }
  for (const { namespace: name, device: on, address, mac: text } of machine.neighbours) {
    kernel.addNeighbour(namespace(built, name), device(built, name, on), kernel.addressNumber(address), mac(text));
  }
}

function addCommonRoutes(kernel: Kernel, { machine, commonRoutes }: PlacedMachine, built: Built): void {
  if (!machine.commonRoutes || !commonRoutes) return;
  const { namespace: name, device: by } = machine.commonRoutes;
  const { list, except } = commonRoutes;
  kernel.calls.addCommonRoutes(namespace(built, name), list, except, device(built, name, by));
}

function setSysctls(kernel: Kernel, config: NamespaceConfig, built: Built): void {
  const ns = namespace(built, config.name);
  if (config.delayedSegments === "invalid") kernel.calls.setSysctl(ns, R.SYSCTL_CT_DELAYED_INVALID, 1);
  if (config.conntrackClash === "drop") kernel.calls.setSysctl(ns, R.SYSCTL_CT_DROP_CLASH, 1);
  for (const [key, value] of config.sysctls) {
    const sysctl = findSysctl(key);
    if (!sysctl) throw new Error(`sysctl ${key} is not supported`);
    if ("index" in sysctl) kernel.calls.setSysctl(ns, sysctl.index, sysctlNumber(key, value));
    else
      kernel.calls.setDeviceKey(device(built, config.name, sysctl.device), sysctl.field, Number(value) * sysctl.scale);
  }
}

function addListeners(kernel: Kernel, job: Job, machine: Machine, built: Built): void {
  const responses = new Map<string, Handle>();
  const servers = new Map<string, Handle>();
  const returning = new Set(
    job.changes.flatMap(({ action, namespace }) => (action.kind === "listen" ? [namespace] : [])),
  );
  for (const listener of machine.listeners) {
    const { namespace: name, protocol, port, process } = listener;
    const argument =
      listener.application === "dns"
        ? dnsServer(kernel, job, listener, built, servers)
        : listener.application === "ingress"
          ? reverseProxy(kernel, listener, built)
          : serviceResponse(kernel, listener, built, responses);
    const socket: ServerSocket = [protocol, bound(kernel, listener.address), port, listener.application, argument];
    if (returning.has(name)) built.servers.set(name, [...(built.servers.get(name) ?? []), socket]);
    if (listener.later) continue;
    const error = kernel.listen(namespace(built, name), ...socket);
    if (error !== undefined) built.listenErrors.push({ namespace: name, process, protocol, port, error });
  }
}

/** The word by which a reverse proxy finds its locations. */
function reverseProxy(kernel: Kernel, { namespace: name, ingress = [] }: ListenerConfig, built: Built): Handle {
  const place = kernel.placeWords(
    Uint32Array.of(kernel.place(ingressBlock(ingress, (address) => kernel.addressNumber(address)))),
  );
  built.ingresses.set(name, [...(built.ingresses.get(name) ?? []), place]);
  return place;
}

/** What a service answers HTTP requests with: a response of its own, or one that all of the namespace share. */
function serviceResponse(
  kernel: Kernel,
  listener: ListenerConfig,
  built: Built,
  responses: Map<string, Handle>,
): Handle {
  const { namespace: name, response, responseBytes = RESPONSE_BYTES } = listener;
  if (response !== undefined) {
    const answer = placeAnswer(kernel, response);
    built.answers.set(answerKey(name, listener), answer);
    return answer.block;
  }
  const key = `${responseBytes} ${name}`;
  const shared = responses.get(key) ?? kernel.place(counted(responseOf(name, responseBytes)));
  responses.set(key, shared);
  return shared;
}

/** The DNS server of a listener: those of one namespace that know the same share one, with what it keeps. */
function dnsServer(
  kernel: Kernel,
  job: Job,
  { namespace: name, dns = { names: "zone" } }: ListenerConfig,
  built: Built,
  servers: Map<string, Handle>,
): Handle {
  const key = `${name} ${dns.names} ${dns.forward ?? ""}`;
  const forward = dns.forward === undefined ? 0 : kernel.addressNumber(dns.forward);
  const recursive = dns.names === "outside" ? 1 : 0;
  const server =
    servers.get(key) ??
    kernel.calls.newDnsServer(namespace(built, name), job.zones[dns.names], forward, recursive) >>> 0;
  if (!servers.has(key) && dns.names === "zone")
    built.nameServers.set(name, [...(built.nameServers.get(name) ?? []), server]);
  servers.set(key, server);
  return server;
}
