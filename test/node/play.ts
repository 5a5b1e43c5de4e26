// Plays a small scenario in this process and hands back what came of it: the lines of traffic, and who was seen on the wires.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPlan } from "../../src/engine/run.ts";
import { readSources } from "../../src/scenario/files.ts";
import { prepare, type PreparedScenario } from "../../src/scenario/prepare.ts";
import type { LineResult, Plan, RunResult } from "../../src/seam/plan.ts";
import { readCaptureFile, type Capture } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";
import { temporaryFolder } from "../tools/podwire.ts";
import { summary } from "../tools/summary.ts";

export interface Played {
  line: (name: string) => LineResult;
  capture: Capture;
  result: RunResult;
}

/** A scenario and manifests, ready to run in a folder of their own. */
export function prepared(
  scenario: string,
  manifests: readonly string[],
): { folder: string; prepared: PreparedScenario } {
  const folder = temporaryFolder();
  const file = join(folder, "scenario.yaml");
  writeFileSync(
    file,
    [`apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nspec:\n${scenario}`, ...manifests].join(
      "\n---\n",
    ),
  );
  return { folder, prepared: prepare(readSources([file]), { capture: ["*/eth*"], outDir: folder }) };
}

/** `change` may alter the plan before it runs. Every device of the pods and every node's card are captured. */
export async function play(
  scenario: string,
  manifests: readonly string[],
  change: (plan: Plan) => void = () => {},
): Promise<Played> {
  const {
    folder,
    prepared: { plan },
  } = prepared(scenario, manifests);
  change(plan);
  const result = await runPlan(plan, { workers: 1 });
  const line = (name: string): LineResult => {
    const found = result.lines.find((one) => one.name === name);
    if (!found) throw new Error(`there is no line ${name}`);
    return found;
  };
  return { line, result, capture: readCaptureFile(join(folder, "capture.pcapng")) };
}

/** How a line ended, in short: `delivered 3, timed out 1`. */
export function ended({ line }: Played, name: string): string {
  const { delivered, refused, timedOut, unresolved, open } = line(name);
  const parts = { delivered, refused, "timed out": timedOut, unresolved, open };
  return Object.entries(parts)
    .flatMap(([word, count]) => (count > 0 ? [`${word} ${count}`] : []))
    .join(", ");
}

/** The sources of the SYNs and datagrams that came in on a device to a port, each once, in order. */
export function sourcesSeen({ capture }: Played, device: string, port: number): string[] {
  const frames = capture.packets
    .filter((packet) => packet.device === device && packet.direction === "inbound")
    .map(({ bytes }) => decodeFrame(bytes))
    .filter(({ tcp, udp }) => (tcp?.flags === "S" && tcp.destinationPort === port) || udp?.destinationPort === port);
  return [...new Set(frames.map(({ ipv4 }) => ipv4?.source ?? ""))];
}

/** The frames on a device in one line each. */
export function framesOn({ capture }: Played, device: string): string[] {
  return capture.packets.filter((packet) => packet.device === device).map(({ bytes }) => summary(bytes));
}

/** A pod that listens on a port, bound to a node. */
export function podOn(node: string, name: string, port: number, more = ""): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {nodeName: ${node}, containers: [{name: main, ports: [{containerPort: ${port}}, {containerPort: ${port}, protocol: UDP}]}]${more}}`;
}

export function serviceOf(name: string, spec: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {${spec}}`;
}
