// The same rule sets on the live Linux kernel, where its tools are there and we are root: how long iptables-restore takes, and
// how many new connections a second get through.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.ts";
import { podAddress, PORT, serviceAddress } from "./cluster.ts";
import type { RuleTexts, RulesRow, TableTexts } from "./rules.ts";

export type Backend = "legacy" | "nft";
export const BACKENDS: readonly Backend[] = ["legacy", "nft"];

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function has(tool: string): boolean {
  return spawnSync("which", [tool], { stdio: "ignore" }).status === 0;
}

function restoreTool(backend: Backend): string {
  return `iptables-${backend}-restore`;
}

/** Whether a network namespace can be made here, and the rules loaded into it. */
export function canRestore(backend: Backend): boolean {
  return process.platform === "linux" && isRoot() && has("unshare") && has(restoreTool(backend));
}

/** Throws an InputError if `--kernel` cannot be had here. */
export function checkKernel(): void {
  const missing =
    process.platform !== "linux"
      ? "it is for Linux"
      : !isRoot()
        ? "it makes network namespaces, which only root may"
        : (["unshare", "nsenter", "ip", "python3"]
            .map((tool) => (has(tool) ? undefined : `${tool} is not there`))
            .find(Boolean) ??
          (BACKENDS.some(canRestore)
            ? undefined
            : "neither iptables-legacy-restore nor iptables-nft-restore is there"));
  if (missing !== undefined)
    throw new InputError({ field: "--kernel" }, `it cannot be measured here: ${missing}; leave it out, or run as root on Linux with iproute2, iptables and Python 3`); // prettier-ignore
}

/** Files that go with the block that uses them. */
function withFiles<T>(texts: Record<string, string>, use: (paths: Record<string, string>) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "podwire-bench-"));
  try {
    const paths = Object.entries(texts).map(([name, content]): [string, string] => {
      const path = join(folder, name);
      writeFileSync(path, content);
      return [name, path];
    });
    return use(Object.fromEntries(paths));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** iptables-legacy-restore takes the longer for each rule the more there are; what takes longer than this is not waited for. */
const RESTORE_SECONDS = 60;
/** The exit status of timeout(1) then. */
const TIMED_OUT = 124;

/** Milliseconds that the tool takes to load all rules into a fresh namespace, and then to change one Service. */
export function measureRestore(texts: RuleTexts, backend: Backend): { restoreMs?: number; changeMs?: number } {
  const tool = restoreTool(backend);
  return withFiles({ all: texts.nodes[0], change: texts.change }, ({ all = "", change = "" }) => {
    const run = `timeout ${RESTORE_SECONDS} ${tool} -w`;
    const script = `date +%s%N; ${run} < ${all} || exit $?; date +%s%N; ${run} --noflush < ${change} || exit $?; date +%s%N`;
    const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" });
    if (status === TIMED_OUT) return {};
    if (status !== 0) throw new Error(`${tool}: ${stderr}`);
    const [began = 0, loaded = 0, changed = 0] = stdout.trim().split("\n").map(Number);
    return {
      restoreMs: Math.round((loaded - began) / 1e4) / 100,
      changeMs: Math.round((changed - loaded) / 1e4) / 100,
    };
  });
}

/** Whether nft is here, and may load tables. */
export function canLoadTables(): boolean {
  return spawnSync("unshare", ["-n", "nft", "list", "ruleset"]).status === 0;
}

/** Milliseconds that nft takes to load a table into a fresh namespace; undefined if that takes too long. */
export function measureNftLoad({ before }: TableTexts): number | undefined {
  return withFiles({ all: before }, ({ all = "" }) => {
    const script = `date +%s%N; timeout ${RESTORE_SECONDS} nft -f ${all} || exit $?; date +%s%N`;
    const { status, stdout, stderr } = spawnSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" });
    if (status === TIMED_OUT) return undefined;
    if (status !== 0) throw new Error(`nft: ${stderr}`);
    const [began = 0, loaded = 0] = stdout.trim().split("\n").map(Number);
    return Math.round((loaded - began) / 1e4) / 100;
  });
}

/** The same with kube-proxy's table of nftables on both nodes, and what iptables has there. */
export function measureKernelTable({ services, rules, nodes }: TableTexts, loadMs: number | undefined): RulesRow {
  const [one, two] = nodes;
  const texts = {
    one: one?.iptables ?? "",
    two: two?.iptables ?? "",
    tableOne: one?.nft ?? "",
    tableTwo: two?.nft ?? "",
  };
  const answer = withFiles(texts, (paths) =>
    walk("nft", services, {
      restore: restoreTool(canRestore("nft") ? "nft" : "legacy"),
      rules: [paths["one"], paths["two"]],
      tables: [paths["tableOne"], paths["tableTwo"]],
    }),
  );
  return { services, rules, mode: "nftables", matcher: "linux nft", ...answer, nft_load_ms: loadMs };
}

/** One run of linux-path.py, to the last Service. */
function walk(name: string, services: number, given: object): Partial<KernelAnswer> {
  const job = {
    ...given,
    client: podAddress({ node: 1, place: 0 }),
    server: podAddress({ node: 2, place: 0 }),
    service: serviceAddress(services - 1),
    port: PORT,
  };
  const program = fileURLToPath(import.meta.resolve("#linux-path.py"));
  const { status, stdout, stderr } = spawnSync("unshare", ["-n", "python3", "-B", program], {
    input: JSON.stringify(job),
    encoding: "utf8",
  });
  if (status === 0) return JSON.parse(stdout) as KernelAnswer;
  process.stderr.write(`podwire: ${name}, ${services} Services: ${stderr.trim().split("\n").at(-1)}\n`);
  return {};
}

type KernelAnswer = Pick<RulesRow, "new_per_s" | "ns_per_new">;

/**
 * The two-node path in the live kernel: client, node, node, server as network namespaces joined by veth pairs, both nodes with the
 * rules. Frames of new UDP connections to the last Service are sent as fast as they go. What could not be measured is told on
 * standard error.
 */
export function measureKernel(texts: RuleTexts, backend: Backend): RulesRow {
  const { services, rules } = texts;
  const { restoreMs, changeMs } = measureRestore(texts, backend);
  const [one, two] = texts.nodes;
  const answer = withFiles({ one, two }, (paths) =>
    walk(`iptables-${backend}`, services, { restore: restoreTool(backend), rules: [paths["one"], paths["two"]] }),
  );
  return {
    services,
    rules,
    mode: "iptables",
    matcher: `linux ${backend}`,
    ...answer,
    ...(changeMs !== undefined && { change_ms: changeMs }),
    ...(backend === "legacy" ? { iptables_legacy_restore_ms: restoreMs } : { iptables_nft_restore_ms: restoreMs }),
  };
}
