// The Linux side of the differential loop: test/oracle makes cases and records what the live kernel does in them.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const FAMILIES = ["bridge", "arp", "routing", "filter", "nat", "kube", "malformed", "ipv6"] as const;
export type Family = (typeof FAMILIES)[number];

const ORACLE = join(dirname(fileURLToPath(import.meta.resolve("#package.json"))), "test/oracle");
const PROGRAMS = ["python3", "ip", "bridge", "iptables-legacy-restore", "iptables-nft-restore", "ipset", "conntrack"];
const MOST_MS = 120_000;

/** Why this machine cannot record, in one sentence; undefined if it can. `has` says whether there is a program. */
export function refusal(uid: number | undefined, has: (program: string) => boolean): string | undefined {
  const missing = PROGRAMS.filter((program) => !has(program));
  if (uid !== 0) return "recording on the live kernel needs network namespaces, so it runs as root on Linux only";
  if (missing.length === 0) return undefined;
  return `recording on the live kernel needs ${missing.join(", ")}, not found; Debian has iproute2, iptables, ipset, conntrack`;
}

/** Whether a program can be found. */
export function hasProgram(program: string): boolean {
  return spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
}

function run(script: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync("python3", [join(ORACLE, script), ...args], {
    encoding: "utf8",
    timeout: MOST_MS,
  });
  if (status !== 0) throw new Error(`${script} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
  return stdout;
}

/** Makes the case of a family and seed below a folder; gives its path. */
export function makeCase(family: Family, seed: number, out: string): string {
  if (family === "ipv6") run("make-cases6", ["--seed", String(seed), "--out", out]);
  else run("make-cases", ["--family", family, "--seed", String(seed), "--count", "1", "--out", out]);
  return join(out, `${family}-s${String(seed).padStart(4, "0")}-000`);
}

/** Records a case into its own folder. Throws if the kernel or its tools refuse it. */
export function record(path: string): void {
  run("kernel-oracle", ["run", path, "--in-place", "--no-pcap"]);
}
