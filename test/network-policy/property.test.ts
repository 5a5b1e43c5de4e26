// Whatever the pods, their labels and the policies: frames go where the API's words say they may, and nowhere else.
import fc from "fast-check";
import { expect, test } from "vitest";
import { runProbes } from "../../src/commands/probing.ts";
import { mayCall } from "./reference.ts";
import { podOf, prepared } from "./reach.ts";
import { manifestsOf, NAMESPACES, world } from "./worlds.ts";

test("the verdict by frames equals that of a plain reading of the policies, for every pair of pods and every port", () => {
  fc.assert(
    fc.property(world, (made) => {
      const scenario = prepared(manifestsOf(made));
      const { cluster } = scenario;
      const own = (path: string): boolean => NAMESPACES.includes(path.split("/")[0] ?? "");
      const probes = scenario
        .matrix()
        .probes.filter(({ from, to }) => own(from) && to.startsWith("pod ") && own(to.slice("pod ".length)));
      const wanted = probes.map(({ from, to }) => {
        const [, path = "", number = "", protocol = ""] = /^pod ([^:]+):(\d+)\/(\w+)$/.exec(to) ?? [];
        const [source, target] = [podOf(cluster, from), podOf(cluster, path)];
        const found = target.containers
          .flatMap((container) => container.ports)
          .find((one) => one.containerPort === Number(number) && one.protocol === protocol);
        if (!found) throw new Error(`there is no port ${to}`);
        return `${from} > ${to} ${mayCall(cluster, source, target, found) ? "allowed" : "dropped"}`;
      });
      const seen = runProbes(scenario, probes).map(({ from, to, verdict }) => `${from} > ${to} ${verdict}`);
      expect(seen).toEqual(wanted);
    }),
    { numRuns: 100, seed: 20 },
  );
}, 240_000);
