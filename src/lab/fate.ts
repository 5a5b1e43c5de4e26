// What became of a packet in a namespace: read from the steps that the kernel noted of it.
import * as T from "../../assembly/layout/trace.ts";
import { DROP_REASONS, type Handle } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";
import type { NamespaceRules } from "./rules.ts";

/** The end of a packet. `rule` is the one that decided, if one did. */
export type Fate =
  | { kind: "sent"; device: string }
  | { kind: "taken" }
  | { kind: "dropped"; reason: string; rule?: string; answered: boolean }
  | { kind: "none" };

/** The fate of the first packet that a namespace noted from the block `first` on. */
export function fateOf(network: Network, name: string, rules: NamespaceRules | undefined, first: Handle): Fate {
  const { kernel } = network;
  const ns = network.namespace(name);
  let packet: string | undefined;
  let rule: number | undefined;
  let answered = false;
  let fate: Fate = { kind: "none" };
  for (const at of kernel.steps(first)) {
    const word = (field: number): number => kernel.word(at + field);
    if (word(T.STEP_NAMESPACE) !== ns) continue;
    const id = `${word(T.STEP_ID_HIGH)}:${word(T.STEP_ID_LOW)}`;
    packet ??= id;
    if (id !== packet) continue;
    switch (word(T.STEP_KIND)) {
      case T.STEP_RULE:
        rule = word(T.STEP_A);
        break;
      case T.STEP_ANSWER:
      case T.STEP_RESET:
        answered = true;
        break;
      case T.STEP_SOCKET:
        fate = { kind: "taken" };
        break;
      case T.STEP_TRANSMIT:
        fate = { kind: "sent", device: network.nameOf(word(T.STEP_A))?.split(":")[1] ?? "" };
        break;
      case T.STEP_DROP: {
        const reason = DROP_REASONS[word(T.STEP_A)] ?? "";
        const by = reason === "NETFILTER_DROP" && rule !== undefined ? rules?.describe(rule) : undefined;
        fate = { kind: "dropped", reason, answered, ...(by === undefined ? {} : { rule: by }) };
        break;
      }
    }
  }
  return fate;
}

/** How many frames had which fate, the commonest first: `12 frames in by eth0: sent by eth1`. */
export function fateLines(frames: readonly (Fate & { in: string })[]): string[] {
  const counts = new Map<string, number>();
  for (const frame of frames) {
    const text = `in by ${frame.in}: ${fateText(frame)}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  const lines = [...counts].sort((a, b) => b[1] - a[1]);
  return lines.map(([text, count]) => `${count} frame${count === 1 ? "" : "s"} ${text}`);
}

function fateText(fate: Fate): string {
  switch (fate.kind) {
    case "sent":
      return `sent by ${fate.device}`;
    case "taken":
      return "taken by the host";
    case "none":
      return "not taken";
    case "dropped":
      return `${fate.answered ? "refused" : "dropped"} by ${fate.rule ?? fate.reason}`;
  }
}
