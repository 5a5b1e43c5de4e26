// What a plan may say already and no kernel here does yet: refused in one sentence before anything runs.
import { InputError } from "../errors.ts";
import type { Plan } from "../seam/plan.ts";

/** Throws an InputError for a plan with IPv6 addresses. */
export function refuseUnsupported({ machines }: Plan): void {
  if (machines.some(({ addresses }) => addresses.some(({ cidr }) => cidr.includes(":"))))
    throw new InputError(
      { field: "spec.cluster.ipFamily" },
      "IPv6 packets are not emulated yet, only what the cluster is told: choose ipFamily: ipv4 for a run",
    );
}
