// The namespaces of the emulated cluster with their devices, by the names that users have for them.
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import { formatMac } from "../address.ts";
import type { Built } from "../engine/build.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import { podNamespace } from "../node/kubelet.ts";
import { outsideResolvConf, resolvConf, type ResolvConf } from "../node/resolv-conf.ts";
import type { PreparedScenario } from "../scenario/prepare.ts";
import type { NamespaceConfig } from "../seam/machine.ts";

export interface Namespace {
  /** `node-1`, `shop/frontend-0`. */
  name: string;
  role: NamespaceConfig["role"];
  /** The machine that it is on. */
  machine: string;
  handle: Handle;
  resolver: ResolvConf;
  devices: readonly Device[];
}

export interface Device {
  name: string;
  handle: Handle;
  index: number;
  kind: "loopback" | "veth" | "bridge" | "wire" | "vxlan";
  mac: string;
  /** The other end of a veth pair. */
  peer?: { namespace: string; device: string; index: number };
}

const KINDS = new Map<number, Device["kind"]>([
  [codes.DEVICE_LOOPBACK, "loopback"],
  [codes.DEVICE_VETH, "veth"],
  [codes.DEVICE_BRIDGE, "bridge"],
  [codes.DEVICE_WIRE, "wire"],
  [codes.DEVICE_VXLAN, "vxlan"],
]);

/** All namespaces, in the order of the plan's machines. */
export function namespacesOf({ plan, cluster }: PreparedScenario, built: Built, kernel: Kernel): Namespace[] {
  const resolvers = new Map(cluster.pods.map((pod) => [podNamespace(pod), resolvConf(cluster, pod)]));
  const paths = new Map([...built.devices].map(([path, handle]) => [handle, path]));
  const nameOf = (handle: Handle): string => afterSlash(paths.get(handle) ?? "");
  return plan.machines.flatMap(({ name: machine, namespaces }) =>
    namespaces.map(({ name, role }): Namespace => {
      const handle = built.namespaces.get(name) ?? 0;
      const devices = devicesOf(kernel, handle).map((device): Device => {
        const peer = kernel.word(device + R.DEV_PEER);
        const path = paths.get(peer);
        return {
          name: nameOf(device),
          handle: device,
          index: kernel.word(device + R.DEV_INDEX),
          kind: KINDS.get(kernel.word(device + R.DEV_KIND)) ?? "veth",
          mac: macOf(kernel.word(device + R.DEV_MAC_HIGH), kernel.word(device + R.DEV_MAC_LOW)),
          ...(path === undefined
            ? {}
            : {
                peer: {
                  namespace: path.slice(0, path.lastIndexOf("/")),
                  device: afterSlash(path),
                  index: kernel.word(peer + R.DEV_INDEX),
                },
              }),
        };
      });
      devices.sort((a, b) => a.index - b.index);
      return { name, role, machine, handle, resolver: resolvers.get(name) ?? outsideResolvConf(), devices };
    }),
  );
}

function afterSlash(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function devicesOf(kernel: Kernel, ns: Handle): Handle[] {
  const found: Handle[] = [];
  for (let at = kernel.word(ns + R.NS_DEVICES); at !== 0; at = kernel.word(at + R.DEV_NEXT)) found.push(at);
  return found;
}

/** The two words of a MAC address in a record. */
export function macOf(high: number, low: number): string {
  return formatMac(Uint8Array.of(high >>> 8, high, low >>> 24, low >>> 16, low >>> 8, low));
}

/** The namespaces that a word may mean: its name, or else the end of one; the names of pods come first. */
export function findNamespaces(all: readonly Namespace[], word: string): Namespace[] {
  const exact = all.filter(({ name }) => name === word);
  if (exact.length > 0) return exact;
  const ends = all.filter(({ name }) => name.endsWith(`/${word}`));
  const pods = ends.filter(({ role }) => role === "pod");
  return pods.length > 0 ? pods : ends;
}
