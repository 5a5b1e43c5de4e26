// Routes that namespaces have in common lead where routes of their own would.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatIpv4 } from "../../src/address.ts";
import { PreparedRun, runPlan } from "../../src/engine/run.ts";
import { Programs } from "../../src/kernel/programs.ts";
import type { Machine } from "../../src/seam/machine.ts";
import { machineOf, planOf } from "../kernel/network.ts";
import { mixedPlan } from "./plans.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "podwire-routes-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** The same machines, whose roots share one list of the routes to each other's pods. */
function sharing(machines: readonly Machine[]): Machine[] {
  const routes = machines.map((_, i) => ({ destination: `10.${i + 1}.0.0/16`, via: `192.168.0.${i + 1}` }));
  return machines.map((machine, except) => ({
    ...machine,
    routes: machine.routes.filter(({ namespace }) => namespace !== machine.name),
    commonRoutes: { namespace: machine.name, device: "eth0", routes, except },
  }));
}

test.each([1, 2])("a run is the same, with %i workers", async (workers) => {
  const captured = await Promise.all(
    [false, true].map(async (shares) => {
      const path = join(folder, `${workers} ${shares}.pcapng`);
      const plan = mixedPlan(path);
      expect(plan.machines.flatMap(({ routes }) => routes).length).toBe(12 + 4);
      if (shares) plan.machines = sharing(plan.machines);
      await runPlan(plan, { workers });
      return readFileSync(path).toString("latin1");
    }),
  );
  expect(captured[1] === captured[0]).toBe(true);
});

const PREFIXES = [8, 12, 16, 20, 24, 32];
const MASKS = new Map(PREFIXES.map((prefix) => [prefix, (0xffffffff << (32 - prefix)) >>> 0]));
/** An address in 10.0.0.0/14, so that networks lie in each other. */
const address = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map(([a, b, c]) => 0x0a000000 + a * 65536 + b * 4096 + c);
const network = fc.tuple(address, fc.constantFrom(...PREFIXES)).map(([base, prefix]) => {
  return `${formatIpv4((base & (MASKS.get(prefix) ?? 0)) >>> 0)}/${prefix}`;
});

/** Ways out of a machine with two wires, `own` routes out of the second and `common` ones out of the first, or out of all. */
function ways(
  own: readonly string[],
  common: readonly string[],
  except: number,
  shares: boolean,
  to: readonly number[],
) {
  const others = common.map((destination, i) => ({ destination, via: `192.168.0.${i + 2}` }));
  const machine = machineOf(
    "m",
    {
      namespaces: { m: { addresses: { eth0: "192.168.0.1/24", eth1: "172.16.0.1/24" } } },
      wires: ["m/eth0 lan", "m/eth1 lan"],
    },
    0,
  );
  machine.routes = own.map((destination) => ({ namespace: "m", destination, via: "172.16.0.9", device: "eth1" }));
  if (shares) machine.commonRoutes = { namespace: "m", device: "eth0", routes: others, except };
  else
    machine.routes.push(
      ...others.filter((_, i) => i !== except).map((route) => ({ ...route, namespace: "m", device: "eth0" })),
    );
  const plan = planOf([machine], { segments: [{ name: "lan", latencyNs: 50_000, rate: 1e10 }] });
  const { worker, built } = new PreparedRun(plan).alone();
  const programs = new Programs(worker.kernel);
  const ns = built.namespaces.get("m") ?? 0;
  const found = () => to.map((one) => [formatIpv4(one), programs.way(ns, one)?.nextHop]);
  const first = found();
  worker.kernel.calls.setLink(built.devices.get("m/eth0") ?? 0, 0);
  const down = found();
  worker.kernel.calls.setLink(built.devices.get("m/eth0") ?? 0, 1);
  return { first, down, again: found() };
}

test("random routes of a namespace's own and common ones: the longest leads, of equals the own, and none over a link that is down", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(network, { maxLength: 6 }),
      fc.uniqueArray(network, { minLength: 1, maxLength: 12 }),
      fc.nat(12),
      fc.array(address, { minLength: 4, maxLength: 12 }),
      (own, common, except, to) => {
        expect(ways(own, common, except, true, to)).toEqual(ways(own, common, except, false, to));
      },
    ),
    { numRuns: 60, seed: 1 },
  );
});
