// ip_vs of a namespace: what kube-proxy tells it at the start of a run, and what of that is other after a sync.
import * as I from "../../assembly/layout/ipvs.ts";
import { parseIpv4 } from "../address.ts";
import { parseProtocol, PROTO_TCP, PROTO_UDP } from "../iptables/protocols.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { IpvsConfig, RealServer, Scheduler, VirtualService } from "../seam/ipvs.ts";
import { addElement, type NumberedElement, type NumberedSet } from "./sets.ts";

const SCHEDULER_NUMBERS: Readonly<Record<Scheduler, number>> = {
  rr: I.SCHEDULER_RR,
  wrr: I.SCHEDULER_WRR,
  lc: I.SCHEDULER_LC,
  wlc: I.SCHEDULER_WLC,
  sh: I.SCHEDULER_SH,
  dh: I.SCHEDULER_DH,
  sed: I.SCHEDULER_SED,
  nq: I.SCHEDULER_NQ,
  mh: I.SCHEDULER_MH,
  fo: I.SCHEDULER_FO,
  ovf: I.SCHEDULER_OVF,
  twos: I.SCHEDULER_TWOS,
};

/** A namespace's ip_vs as it is now. */
export interface BuiltIpvs {
  ns: Handle;
  device: Handle;
  /** Where the sets are in the kernel, by their numbers. */
  sets: ReadonlyMap<number, Handle>;
  config: IpvsConfig;
  elements: Map<number, Map<string, NumberedElement>>;
  services: Map<string, { handle: Handle; config: VirtualService }>;
}

/** Begins with what there is at the start: its addresses and sets have been added already. */
export function addIpvs(
  kernel: Kernel,
  built: Pick<BuiltIpvs, "ns" | "device" | "sets">,
  config: IpvsConfig,
  sets: readonly NumberedSet[],
): BuiltIpvs {
  const made: BuiltIpvs = { ...built, config, elements: elementsOf(sets), services: new Map() };
  for (const service of balanced(config)) putService(kernel, made, service);
  return made;
}

/** ip_vs of the kernel knows TCP and UDP. */
function balanced({ services }: IpvsConfig): VirtualService[] {
  return services.filter(({ protocol }) => [PROTO_TCP, PROTO_UDP].includes(parseProtocol(protocol) ?? 0));
}

function keyOf({ address, port, protocol }: VirtualService): string {
  return `${protocol} ${address} ${port}`;
}

function keyOfServer({ address, port }: RealServer): string {
  return `${address} ${port}`;
}

function ip(text: string): number {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(`${text} is not an IPv4 address`);
  return address;
}

function putService(kernel: Kernel, built: BuiltIpvs, service: VirtualService): void {
  const { address, port, protocol, scheduler, persistentSeconds, destinations } = service;
  const known = built.services.get(keyOf(service));
  const sameKind =
    known?.config.scheduler === scheduler && known.config.persistentSeconds === persistentSeconds && known;
  const handle = sameKind
    ? sameKind.handle
    : kernel.calls.putService(
        built.ns,
        ip(address),
        port,
        parseProtocol(protocol) ?? 0,
        SCHEDULER_NUMBERS[scheduler],
        persistentSeconds,
      ) >>> 0;
  const before = new Map(known?.config.destinations.map((server) => [keyOfServer(server), server]));
  for (const server of destinations) {
    if (before.get(keyOfServer(server))?.weight !== server.weight)
      kernel.calls.putServer(handle, ip(server.address), server.port, server.weight);
    before.delete(keyOfServer(server));
  }
  for (const server of before.values()) kernel.calls.leaveService(handle, ip(server.address), server.port);
  built.services.set(keyOf(service), { handle, config: service });
}

/** Makes what there is into what a sync has left behind. */
export function changeIpvs(kernel: Kernel, built: BuiltIpvs, config: IpvsConfig, sets: readonly NumberedSet[]): void {
  const { addresses } = built.config;
  const [had, has] = [new Set(addresses), new Set(config.addresses)];
  for (const address of config.addresses)
    if (!had.has(address)) kernel.calls.addAddress(built.ns, built.device, ip(address), 32);
  const services = balanced(config);
  for (const service of services) putService(kernel, built, service);
  changeSets(kernel, built, sets);
  for (const address of addresses)
    if (!has.has(address)) kernel.calls.removeAddress(built.ns, built.device, ip(address));
  const kept = new Set(services.map(keyOf));
  for (const [key, { handle }] of built.services)
    if (!kept.has(key)) {
      kernel.calls.removeService(handle);
      built.services.delete(key);
    }
  built.config = config;
}

function elementsOf(sets: readonly NumberedSet[]): BuiltIpvs["elements"] {
  return new Map(
    sets.map(({ number, elements }) => [number, new Map(elements.map((one) => [keyOfElement(one), one]))]),
  );
}

function keyOfElement({ address, port, other }: NumberedElement): string {
  return `${address.network}/${address.prefix} ${port} ${other.network}/${other.prefix}`;
}

function changeSets(kernel: Kernel, built: BuiltIpvs, sets: readonly NumberedSet[]): void {
  const elements = elementsOf(sets);
  for (const set of sets) {
    const handle = built.sets.get(set.number) ?? 0;
    const before = built.elements.get(set.number) ?? new Map<string, NumberedElement>();
    const after = elements.get(set.number) ?? new Map<string, NumberedElement>();
    for (const [key, { address, port, other }] of before)
      if (!after.has(key))
        kernel.calls.removeElement(handle, address.network, address.prefix, port, other.network, other.prefix);
    for (const [key, element] of after) if (!before.has(key)) addElement(kernel, handle, set, element);
  }
  built.elements = elements;
}
