// The interfaces of a plan as captures name and describe them.
import type { InterfaceDescription } from "../pcap/pcapng.ts";
import type { Machine, NamespaceConfig } from "../seam/machine.ts";
import type { Plan } from "../seam/plan.ts";
import { globMatches } from "../seam/glob.ts";

const NO_MAC = "00:00:00:00:00:00";

/** Every interface of a plan, in the order of its machines. The name is `<namespace>/<device>`. */
export function interfacesOf(plan: Pick<Plan, "machines" | "segments">): InterfaceDescription[] {
  return plan.machines.flatMap((machine) => interfacesOfMachine(machine, plan));
}

function interfacesOfMachine(machine: Machine, plan: Pick<Plan, "segments">): InterfaceDescription[] {
  const ends = [
    ...machine.wires.map((wire) => ({
      ...wire,
      speed: wire.netem?.rate ?? plan.segments.find(({ name }) => name === wire.segment)?.rate,
    })),
    ...(machine.tunnels ?? []),
    ...machine.bridges,
    ...(machine.dummies ?? []),
    ...machine.veths.flatMap(({ a, b }) => [a, b]),
  ];
  return machine.namespaces.flatMap((namespace) => {
    const own = ends.filter((end) => end.namespace === namespace.name);
    const devices = [{ namespace: namespace.name, name: "lo", mac: NO_MAC }, ...own];
    return devices.map((device) => describe(machine, namespace, device));
  });
}

function describe(
  machine: Machine,
  namespace: NamespaceConfig,
  device: { name: string; mac: string; speed?: number | undefined },
): InterfaceDescription {
  const own = machine.addresses.filter((a) => a.namespace === namespace.name && a.device === device.name);
  const [ipv4, ipv6] = [false, true].map((six) => own.find(({ cidr }) => cidr.includes(":") === six)?.cidr);
  const where = namespace.name === machine.name ? "" : ` on ${machine.name}`;
  return {
    name: `${namespace.name}/${device.name}`,
    description: `${namespace.role} ${namespace.name}${where}`,
    ipv4: ipv4 ?? (device.name === "lo" ? "127.0.0.1/8" : undefined),
    ...(ipv6 !== undefined && { ipv6 }),
    mac: device.mac,
    speed: device.speed,
  };
}

/** The interfaces that a list of globs chooses, each once, in the plan's order. */
export function chooseInterfaces(
  all: readonly InterfaceDescription[],
  globs: readonly string[],
): InterfaceDescription[] {
  return all.filter(({ name }) => globs.some((glob) => globMatches(glob, name)));
}
