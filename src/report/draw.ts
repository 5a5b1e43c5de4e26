// Draws the picture of a run from its plan and its results: what is much is cut to what a page can show, and counted.
import type { Machine } from "../seam/machine.ts";
import type { LineResult, Plan, RunResult, Series } from "../seam/plan.ts";
import type { Picture, PictureLine, PictureMachine, PicturePlace, PictureWalk } from "./picture.ts";
import type { Report } from "./report.ts";
import { lineRemarks, type Rates } from "./loads.ts";
import { failure, told } from "./summary.ts";

const LINES = 1000;
const LINES_WITH_SERIES = 150;
const SOURCES = 60;
const BACKENDS = 60;
const DROPS = 500;
const RULES = 300;
const PROCESSORS = 100;
const STEPS_A_DECADE = 10;
const LEAST_NS = 1000;

/** The whole picture. `walks`: by the index of the line. */
export function drawPicture(
  plan: Plan,
  result: RunResult,
  report: Report,
  walks: ReadonlyMap<number, PictureWalk>,
): Picture {
  const { podwire, scenario, seed, durationNs, endNs, interrupted, cluster, frames, warnings } = report;
  const order = result.lines
    .map((_, i) => i)
    .sort((a, b) => weight(result.lines[b]) - weight(result.lines[a]) || a - b);
  const shown = new Set(order.slice(0, LINES));
  const charted = new Set(order.slice(0, LINES_WITH_SERIES));
  const sources = sourcesOf(plan);
  const protocols: string[] = [];
  for (const { line, protocol } of plan.flows) protocols[line] ??= protocol;
  const drops = Object.entries(result.drops)
    .flatMap(([namespace, reasons]) => Object.entries(reasons).map(([reason, count]) => ({ namespace, reason, count })))
    .sort((a, b) => b.count - a.count);
  const { hit, idle } = result.heat;
  return {
    podwire,
    scenario,
    seed,
    durationNs,
    endNs,
    interrupted,
    cluster,
    frames,
    machines: plan.machines.map((machine) => drawMachine(machine, result.sentBy)),
    lines: result.lines.flatMap((line, i) => {
      if (!shown.has(i)) return [];
      const series = charted.has(i) ? (result.series.lines[i] ?? null) : null;
      return [drawLine(line, protocols[i] ?? "", sources[i] ?? [], series, walks.get(i) ?? null, report.traffic[i])];
    }),
    otherLines: result.lines.length - shown.size,
    atNs: result.series.atNs,
    total: addUp(result.series),
    drops: drops.slice(0, DROPS),
    otherDrops: Math.max(0, drops.length - DROPS),
    ...drawProcessors(report),
    rules: hit.slice(0, RULES),
    idleRules: idle,
    otherRules: Math.max(0, hit.length - RULES),
    expectations: report.expectations.map((one) =>
      "sentence" in one
        ? { text: one.sentence, holds: one.holds }
        : { text: one.holds ? `${one.traffic}: ${one.expected}` : failure(one), holds: one.holds },
    ),
    events: report.events.map(told),
    warnings,
  };
}

function drawProcessors({ processors }: Report): Pick<Picture, "processors" | "otherProcessors"> {
  if (!processors) return {};
  const busiest = [...processors].sort((a, b) => b.utilisation - a.utilisation);
  return {
    processors: busiest.slice(0, PROCESSORS).map(({ node, utilisation, cores }) => ({
      node,
      utilisation,
      cores: cores.map((core) => core.utilisation),
      dropped: cores.reduce((sum, core) => sum + core.dropped, 0),
      longestBacklog: Math.max(...cores.map((core) => core.longestBacklog)),
    })),
    otherProcessors: Math.max(0, processors.length - PROCESSORS),
  };
}

function weight(line: LineResult | undefined): number {
  return line?.sent ?? 0;
}

/** The namespaces that send each line, in the order of its flows. */
function sourcesOf(plan: Plan): string[][] {
  const sources = plan.lines.map(() => new Set<string>());
  for (const { line, namespace } of plan.flows) sources[line]?.add(namespace);
  return sources.map((names) => [...names]);
}

function drawMachine(machine: Machine, sentBy: RunResult["sentBy"]): PictureMachine {
  const [root, ...places] = machine.namespaces;
  const sent = (namespace: string, device: string): number => sentBy[`${namespace}/${device}`] ?? 0;
  const addresses = new Map(
    machine.addresses.map(({ namespace, device, cidr }) => [`${namespace}/${device}`, cidr.replace(/\/.*/, "")]),
  );
  const proxies = new Set(
    machine.listeners.filter(({ application }) => application === "ingress").map(({ namespace }) => namespace),
  );
  // The other end of a namespace's wire.
  const peers = new Map(machine.veths.flatMap(({ a, b }) => [[b.namespace, a] as const, [a.namespace, b] as const]));
  return {
    name: machine.name,
    role: root?.role ?? "host",
    address: addresses.get(`${machine.name}/eth0`) ?? "",
    sent: machine.wires.reduce((sum, wire) => sum + sent(wire.namespace, wire.name), 0),
    places: places.map(({ name }): PicturePlace => {
      const peer = peers.get(name);
      return {
        name,
        address: addresses.get(`${name}/eth0`) ?? "",
        sent: sent(name, "eth0"),
        received: peer ? sent(peer.namespace, peer.name) : 0,
        ...(proxies.has(name) ? { proxy: true } : {}),
      };
    }),
  };
}

function drawLine(
  line: LineResult,
  protocol: string,
  sources: readonly string[],
  series: PictureLine["series"],
  walk: PictureWalk | null,
  rates: Rates | undefined,
): PictureLine {
  const { name, sent, delivered, refused, timedOut, unresolved, open, latency, drops, denied } = line;
  const backends = Object.entries(line.backends).sort(([, a], [, b]) => b - a);
  return {
    name,
    protocol,
    sources: sources.slice(0, SOURCES),
    sourceCount: sources.length,
    sent,
    delivered,
    refused,
    timedOut,
    unresolved,
    open,
    p50: latency?.p50 ?? null,
    p99: latency?.p99 ?? null,
    max: latency?.max ?? null,
    remarks: rates ? lineRemarks(line, rates) : [],
    latencies: coarse(line.latencies),
    drops,
    denied: denied && { namespace: denied.namespace, rule: `${denied.table} ${denied.rule}` },
    backends: backends.slice(0, BACKENDS),
    backendCount: backends.length,
    series,
    walk,
  };
}

/** Buckets joined to ten a decade, all below a microsecond to one. */
function coarse(latencies: LineResult["latencies"]): PictureLine["latencies"] {
  const joined = new Map<number, number>();
  for (const [upTo, count] of latencies) {
    const step = Math.ceil(Math.log10(Math.max(upTo, LEAST_NS)) * STEPS_A_DECADE - 1e-9);
    const edge = Math.round(10 ** (step / STEPS_A_DECADE));
    joined.set(edge, (joined.get(edge) ?? 0) + count);
  }
  return [...joined];
}

function addUp({ atNs, lines }: Series): Series["lines"][number] {
  const sum = (field: "sent" | "delivered" | "failed"): number[] =>
    atNs.map((_, i) => lines.reduce((total, line) => total + (line[field][i] ?? 0), 0));
  return { sent: sum("sent"), delivered: sum("delivered"), failed: sum("failed") };
}
