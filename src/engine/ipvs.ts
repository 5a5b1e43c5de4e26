// ip_vs of a namespace: what kube-proxy tells it at the start of a run, and what of that is other after a sync.
import * as I from "../../assembly/layout/ipvs.ts";
import { parseIpv4 } from "../address.ts";
import { parseProtocol, PROTO_TCP, PROTO_UDP } from "../iptables/protocols.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { IpvsChange, IpvsConfig, RealServer, Scheduler, VirtualService } from "../seam/ipvs.ts";
import { addElement, type NumberedSet } from "./sets.ts";

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
  services: Map<string, { handle: Handle; config: VirtualService }>;
}

/** Begins with what there is at the start: its addresses and sets have been added already. */
export function addIpvs(
  kernel: Kernel,
  built: Pick<BuiltIpvs, "ns" | "device" | "sets">,
  config: IpvsConfig,
): BuiltIpvs {
  const made: BuiltIpvs = { ...built, services: new Map() };
  for (const service of balanced(config.services)) putService(kernel, made, service);
  return made;
}

/** ip_vs of the kernel knows TCP and UDP. */
function balanced(services: readonly VirtualService[]): VirtualService[] {
  return services.filter(({ protocol }) => [PROTO_TCP, PROTO_UDP].includes(parseProtocol(protocol) ?? 0));
}

function keyOf({ address, port, protocol }: Pick<VirtualService, "address" | "port" | "protocol">): string {
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

/** Elements that come and go. */
interface ElementChange {
  added: readonly NumberedSet[];
  removed: readonly NumberedSet[];
}

/** Makes the changes of a sync. */
export function changeIpvs(kernel: Kernel, built: BuiltIpvs, change: IpvsChange, elements: ElementChange): void {
  const { addresses, removed } = change;
  for (const address of addresses.added) kernel.calls.addAddress(built.ns, built.device, ip(address), 32);
  for (const service of balanced(change.put)) putService(kernel, built, service);
  for (const set of elements.removed)
    for (const { address, port, other } of set.elements)
      kernel.calls.removeElement(
        handleOf(built, set),
        address.network,
        address.prefix,
        port,
        other.network,
        other.prefix,
      );
  for (const set of elements.added)
    for (const element of set.elements) addElement(kernel, handleOf(built, set), set, element);
  for (const address of addresses.removed) kernel.calls.removeAddress(built.ns, built.device, ip(address));
  for (const service of removed) {
    const found = built.services.get(keyOf(service));
    if (found) kernel.calls.removeService(found.handle);
    built.services.delete(keyOf(service));
  }
}

function handleOf({ sets }: BuiltIpvs, { number }: NumberedSet): Handle {
  return sets.get(number) ?? 0;
}
