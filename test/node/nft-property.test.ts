// Whatever the objects and the node: nft takes the table that comes of them, and prints it letter for letter as it is written here.
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { expect, it } from "vitest";
import { kubeProxyTable } from "../../src/node/kube-proxy/nftables/proxy.ts";
import { inputsOf, world } from "./random-world.ts";

/** What nft prints of a table that it has loaded, in a network namespace of its own, or what it complains about. */
function listed(text: string, family: "ip" | "ip6"): string {
  const script = `ip link add vbr0 type bridge && nft -f - && nft list table ${family} kube-proxy`;
  const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", script], {
    input: text,
    encoding: "utf8",
  });
  return status === 0 ? stdout : stderr;
}

const works = listed("table ip kube-proxy {\n}\n", "ip") === "table ip kube-proxy {\n}\n";
if (!works) console.warn("SKIPPED: tables are not held against nft; that needs root, unshare, iproute2 and nft");

it("nft is here to be compared with, at least in CI", () => {
  if (process.env.CI === "true") expect(works).toBe(true);
});

it.skipIf(!works).each([
  ["IPv4", "ip"],
  ["IPv6", "ip6"],
] as const)(
  "%s: nft lists the table of random Services and nodes as it is printed here",
  (family, word) => {
    fc.assert(
      fc.property(world, (made) => {
        const text = kubeProxyTable(...inputsOf({ ...made, isLarge: false }, family));
        // A range that holds all others of its set is printed between braces at first, and read back without.
        expect(listed(text, word)).toBe(text.replace(/\{ (\S+\/0) \} drop/g, "$1 drop"));
      }),
      { numRuns: 25, seed: 7 },
    );
  },
  120_000,
);
