// `bridge fdb`: the forwarding databases of a namespace's bridges, as iproute2 prints them.
import * as R from "../../../assembly/layout/records.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { macOf, type Namespace } from "../namespaces.ts";

/** Of one bridge and one port, if they are said. Entries for multicast are left out: nothing here joins groups. */
export function bridgeFdb(kernel: Kernel, namespace: Namespace, nowNs: number, bridge?: string, port?: string): string {
  const rows = namespace.devices
    .filter(({ kind, name }) => kind === "bridge" && (bridge === undefined || name === bridge))
    .flatMap(({ name: master, handle }) => {
      const ageing = Number(kernel.long(handle + R.DEV_AGEING));
      return kernel.records(kernel.word(handle + R.DEV_FDB)).flatMap((entry) => {
        const flags = kernel.word(entry + R.FDB_FLAGS);
        if (flags === 0 && nowNs - Number(kernel.long(entry + R.FDB_UPDATED)) >= ageing) return [];
        const at = kernel.word(entry + R.FDB_PORT);
        const device = namespace.devices.find((other) => other.handle === (at === 0 ? handle : at));
        const mac = macOf(kernel.word(entry + R.FDB_MAC_HIGH), kernel.word(entry + R.FDB_MAC_LOW));
        const state = (flags & R.FDB_LOCAL) !== 0 ? "permanent" : (flags & R.FDB_STATIC) !== 0 ? "static" : "";
        return [{ index: device?.index ?? 0, name: device?.name ?? "", mac, master, state }];
      });
    })
    .filter(({ name }) => port === undefined || name === port);
  rows.sort((a, b) => a.index - b.index || (a.state < b.state ? -1 : a.state > b.state ? 1 : a.mac < b.mac ? -1 : 1));
  return rows.map(({ mac, name, master, state }) => `${mac} dev ${name} master ${master} ${state}\n`).join("");
}
