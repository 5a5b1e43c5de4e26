// Numbers for the parts of a run and their places on the workers; numbers never depend on the workers, places change no result.
import type { Machine } from "../seam/machine.ts";
import type { Plan } from "../seam/plan.ts";
import { leastLatency } from "./netem.ts";
import type { PlacedFlow, PlacedMachine, PlacedNamespace } from "./job.ts";

/** Gives every machine, namespace and port its number, and spreads the machines by their load. */
export function placeMachines(
  plan: Plan,
  workers: number,
  rulesOf: (namespace: string) => Omit<PlacedNamespace, "id">,
  commonRoutesOf: (machine: Machine) => PlacedMachine["commonRoutes"],
): { machines: PlacedMachine[]; ports: Map<string, number>; namespaceNames: string[] } {
  const ports = new Map(plan.segments.map(({ name }) => [name, 0]));
  const namespaceNames: string[] = [];
  const places = spread(plan, workers);
  const machines = plan.machines.map((machine, id) => ({
    id,
    worker: places[id] ?? 0,
    // Workers need no texts and no lists of what the kernel has already.
    machine: withoutTexts(machine),
    commonRoutes: commonRoutesOf(machine),
    namespaces: machine.namespaces.map(({ name }) => {
      namespaceNames.push(name);
      return { id: namespaceNames.length - 1, ...rulesOf(name) };
    }),
    ports: machine.wires.map(({ segment }) => {
      const port = ports.get(segment) ?? 0;
      ports.set(segment, port + 1);
      return port;
    }),
  }));
  return { machines, ports, namespaceNames };
}

function withoutTexts(machine: Machine): Machine {
  return {
    ...machine,
    namespaces: machine.namespaces.map(({ rules: _rules, ipv6Rules: _rules6, sets: _sets, ...rest }) => rest),
    ...(machine.commonRoutes && { commonRoutes: { ...machine.commonRoutes, routes: [] } }),
  };
}

/** The number of the machine that each namespace is on, by name. */
function machineOfNamespaces(plan: Plan): Map<string, number> {
  return new Map(plan.machines.flatMap((machine, i) => machine.namespaces.map(({ name }) => [name, i] as const)));
}

/** How far machines may run ahead of each other: the least latency of any segment and any wire, in nanoseconds. */
export function lookAheadOf(plan: Plan): number {
  const links = plan.machines.flatMap(({ wires }) => wires.flatMap(({ netem }) => netem ?? []));
  const least = [...plan.segments.map(({ latencyNs }) => latencyNs), ...links.map((link) => leastLatency(link, true))];
  return least.reduce((a, b) => Math.min(a, b), plan.durationNs);
}

/** How much more than the heaviest-first spread gives it may the busiest worker have, so that neighbours stay together. */
const UNEVEN = 1.05;

/** A worker for each machine. Machines that stand beside each other go to one worker where that keeps the loads even. */
function spread(plan: Plan, workers: number): number[] {
  const loads = loadsOf(plan);
  const even = heaviestFirst(loads, workers);
  const neighbours = inRuns(loads, workers);
  const most = (places: readonly number[]): number => Math.max(...sumsOf(loads, places, workers));
  return most(neighbours) <= most(even) * UNEVEN ? neighbours : even;
}

/** What each machine has to do: requests a second, and a little for each namespace. */
function loadsOf(plan: Plan): number[] {
  const owner = machineOfNamespaces(plan);
  const loads = plan.machines.map((machine) => machine.namespaces.length);
  for (const flow of plan.flows) {
    const machine = owner.get(flow.namespace);
    if (machine !== undefined) loads[machine] = (loads[machine] ?? 0) + flow.rate;
  }
  return loads;
}

function sumsOf(loads: readonly number[], places: readonly number[], workers: number): number[] {
  const sums = new Array<number>(workers).fill(0);
  places.forEach((worker, i) => (sums[worker] = (sums[worker] ?? 0) + (loads[i] ?? 0)));
  return sums;
}

/** The heaviest machine first, each to the worker with the least so far. */
function heaviestFirst(loads: readonly number[], workers: number): number[] {
  const sums = new Array<number>(workers).fill(0);
  const places = new Array<number>(loads.length).fill(0);
  const order = loads.map((_, i) => i).sort((a, b) => (loads[b] ?? 0) - (loads[a] ?? 0) || a - b);
  for (const i of order) {
    const worker = sums.indexOf(Math.min(...sums));
    places[i] = worker;
    sums[worker] = (sums[worker] ?? 0) + (loads[i] ?? 0);
  }
  return places;
}

/** The machines in their order, each to the worker in whose equal share of the whole load its middle lies. */
function inRuns(loads: readonly number[], workers: number): number[] {
  const total = loads.reduce((sum, load) => sum + load, 0);
  let before = 0;
  return loads.map((load) => {
    const middle = before + load / 2;
    before += load;
    return Math.min(Math.floor((middle / total) * workers), workers - 1);
  });
}

/** What a request costs, in round figures: passes of its packets through devices, and nanoseconds for one of them. */
const PASSES = 60;
const PASS_NS = 300;
/** Work that a window must hold for each worker, or meeting at its end costs more than sharing it saves. */
const WORTH_NS = 10_000;

/** How many workers are worth having on so many cores: as many as find enough to do in a window, at least one. */
export function worthwhileWorkers(plan: Plan, cores: number): number {
  const rate = plan.flows.reduce((sum, flow) => sum + flow.rate, 0);
  const windowNs = (rate * lookAheadOf(plan) * PASSES * PASS_NS) / 1e9;
  return Math.max(1, Math.min(Math.floor(windowNs / WORTH_NS), cores, plan.machines.length));
}

export function placeFlows(plan: Plan): PlacedFlow[] {
  const owner = machineOfNamespaces(plan);
  return plan.flows.map((flow, id) => {
    const machine = owner.get(flow.namespace);
    if (machine === undefined) throw new Error(`there is no namespace ${flow.namespace}`);
    return { id: id + 1, machine, flow };
  });
}
