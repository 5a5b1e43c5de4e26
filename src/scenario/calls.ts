// Service graphs: what the pods of a workload call before they answer, as routes of each pod and lines of the calls.
import type { Document } from "../documents/document.ts";
import type { Cluster } from "../kubernetes/objects.ts";
import type { FlowConfig, ServiceCall, ServiceRoute } from "../seam/plan.ts";
import { clientsOf, type Client } from "./clients.ts";
import { toDistribution } from "./distribution.ts";
import { flowsOf, lineOf, pairsOf, type Line } from "./lines.ts";
import type { ClusterSpec } from "./ranges.ts";
import type { Scenario } from "./schema.ts";
import type { Call, CallsSpec } from "./traffic-schema.ts";
import { LONGEST } from "./units.ts";

/** The names of the lines that calls are counted in, behind those of the traffic; the calls as flows of those lines; who makes them. */
export interface ServiceGraph {
  names: string[];
  lines: Line[];
  flows: FlowConfig[];
  routes: ServiceRoute[];
}

/** What a scenario's `calls` say. `taken`: the names of the traffic's lines. Throws an InputError for the first call that cannot be. */
export function serviceGraph(
  scenario: Scenario,
  ranges: ClusterSpec,
  document: Document,
  cluster: Cluster,
  durationNs: number,
  taken: readonly string[],
): ServiceGraph {
  const names: string[] = [];
  const lines: Line[] = [];
  const flows: FlowConfig[] = [];
  const routes: ServiceRoute[] = [];
  const times = { arrival: { kind: "called", call: 0 }, rate: 1, startNs: 0, stopNs: durationNs } as const;

  const addCall = (call: Call, clients: readonly Client[], caller: string, path: (string | number)[]): ServiceCall => {
    const pairs = clients.flatMap((client) => {
      const found = pairsOf(call, call, client, ranges, document, path, cluster);
      if (found.length > 1) document.fail(path, "should be one target; name the node whose port is called");
      return found;
    });
    const name = `${caller} > ${targetName(call)}`;
    if (taken.includes(name)) document.fail(path, `is counted as ${name}, which is the name of a line of traffic`);
    if (!names.includes(name)) names.push(name);
    const line = lineOf(name, call, pairs, { ...times, to: call }, document, path, cluster);
    const number = lines.push(line);
    const own = flowsOf(line, taken.length + names.indexOf(name));
    flows.push(...own.map((flow): FlowConfig => ({ ...flow, rate: 1, arrival: { kind: "called", call: number } })));
    return { call: number, times: call.times, chance: call.probability ?? 1 };
  };

  scenario.spec.calls.forEach((spec, i) => {
    const path = ["spec", "calls", i];
    const clients = clientsOf(cluster, spec.from, document, [...path, "from"]);
    const stages = spec.to.map((stage, k) =>
      stage.map((one, n) => {
        const own = [...path, "to", k, ...(stage.length > 1 ? [n] : [])];
        return "work" in one
          ? { work: toDistribution(one.work, 0, LONGEST), chance: one.probability ?? 1 }
          : addCall(one, clients, callerName(spec), own);
      }),
    );
    for (const { namespace } of clients)
      routes.push({ namespace, path: spec.path, ...(spec.port !== undefined && { port: spec.port }), stages });
  });
  return { names, lines, flows, routes };
}

function callerName({ from }: CallsSpec): string {
  const [, name = ""] = Object.entries(from).find(([kind, name]) => kind !== "namespace" && name !== undefined) ?? [];
  return name;
}

function targetName(call: Call): string {
  return call.service ?? call.loadBalancer ?? call.nodePort ?? call.pod ?? call.node ?? call.host ?? "";
}
