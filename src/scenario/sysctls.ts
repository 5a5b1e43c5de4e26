// The settings that a scenario gives every node's kernel: known keys, numbers as values.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import { findSysctl, sysctlWords } from "../seam/sysctls.ts";
import { BRIDGE } from "../node/cni-bridge.ts";
import { TUNNEL } from "../node/flannel.ts";
import type { WrittenCluster } from "./schema.ts";

/** Devices that every node has. */
function devicesOf({ network }: WrittenCluster): string[] {
  return ["lo", "eth0", BRIDGE, ...(network.mode === "vxlan" ? [TUNNEL] : [])];
}

/** Throws an InputError for a key that no node has, or a value that is no number. */
export function checkSysctls(cluster: WrittenCluster, document: Document | undefined): void {
  const devices = devicesOf(cluster);
  for (const [key, value] of Object.entries(cluster.sysctls)) {
    const path = ["spec", "cluster", "sysctls", key];
    const sysctl = findSysctl(key);
    if (!sysctl) document?.fail(path, `there is no sysctl ${key}, or it is not emulated yet`);
    else if ("device" in sysctl && !devices.includes(sysctl.device))
      document?.fail(path, `not every node has a device ${sysctl.device}${among(devices)}`);
    const words = sysctlWords(key);
    if (words) {
      if (!words.includes(String(value))) document?.fail(path, `should be ${words.join(" or ")}, not ${value}`);
    } else if (!/^\d{1,10}$/.test(String(value))) document?.fail(path, `should be a number, not ${value}`);
  }
}
