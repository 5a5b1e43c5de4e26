// The settings that a scenario gives every node's kernel: known keys, numbers as values.
import type { Document } from "../documents/document.ts";
import { among } from "../errors.ts";
import { findSysctl } from "../seam/sysctls.ts";
import { BRIDGE } from "../node/cni-bridge.ts";
import type { ClusterSpec } from "./schema.ts";

/** Devices that every node has. */
const DEVICES = ["lo", "eth0", BRIDGE];

/** Throws an InputError for a key that no node has, or a value that is no number. */
export function checkSysctls({ sysctls }: ClusterSpec, document: Document | undefined): void {
  for (const [key, value] of Object.entries(sysctls)) {
    const path = ["spec", "cluster", "sysctls", key];
    const sysctl = findSysctl(key);
    if (!sysctl) document?.fail(path, `there is no sysctl ${key}, or it is not emulated yet`);
    else if ("device" in sysctl && !DEVICES.includes(sysctl.device))
      document?.fail(path, `not every node has a device ${sysctl.device}${among(DEVICES)}`);
    if (!/^\d{1,10}$/.test(String(value))) document?.fail(path, `should be a number, not ${value}`);
  }
}
