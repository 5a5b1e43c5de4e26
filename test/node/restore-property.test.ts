// Whatever the objects and the node: Linux's own restore commands understand the rules that come of them.
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { kubeProxyRules } from "../../src/node/kube-proxy/proxy.ts";
import { inputsOf, world } from "./random-world.ts";

/** What `iptables-restore --test` says to a text, in a network namespace of its own. */
function tested(text: string, iptables: string): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync("unshare", ["-n", `${iptables}-restore`, "--test"], {
    input: text,
    encoding: "utf8",
  });
  return { status, stderr };
}

const works = tested("*nat\nCOMMIT\n", "iptables").status === 0 && tested("*nat\nCOMMIT\n", "ip6tables").status === 0;
if (!works) console.warn("SKIPPED: random rules are not held against Linux; that needs root, unshare and iptables");

it("Linux is here to be compared with, at least in CI", () => {
  if (process.env.CI === "true") expect(works).toBe(true);
});

it.skipIf(!works).each([
  ["IPv4", "iptables"],
  ["IPv6", "ip6tables"],
] as const)(
  "%s: the rules of random Services and nodes pass %s-restore --test",
  (family, iptables) => {
    fc.assert(
      fc.property(world, (made) => {
        expect(tested(kubeProxyRules(...inputsOf(made, family)), iptables)).toEqual({ status: 0, stderr: "" });
      }),
      { numRuns: 150, seed: 4 },
    );
  },
  120_000,
);
