// What a recording says that a kernel chose at random: fixed in the kernel before each step, so that it falls the same way.
import * as R from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";
import { PROTOCOL_NUMBERS } from "./conntrack-tool.ts";
import { numberOf } from "./family.ts";
import { chosenSequences, type Choice, type Recording } from "./recording.ts";
import type { NamespaceRules } from "./rules.ts";

const ECHO_REQUEST = 8 << 8;
const ECHO_REQUEST6 = 128 << 8;

/** Lets a step fall as in the recording. `file` is the one with the choices, for messages. */
export function fixChoices(
  network: Network,
  rules: ReadonlyMap<string, NamespaceRules>,
  recording: Recording,
  step: number,
  file: string,
): void {
  const { kernel, topology } = network;
  const choices = recording.choices.filter((choice) => choice.step === step);
  for (const { name } of topology.namespaces) {
    const ns = network.namespace(name);
    kernel.calls.clearChoices(ns);
    const own = choices.filter((choice) => choice.ns === name);
    rules.get(name)?.follow(own, file);
    rules.get(`${name}.v6`)?.follow(
      choices.filter((choice) => choice.ns === `${name}.v6`),
      file,
    );
    for (const choice of own) fixPort(kernel, ns, choice);
    for (const number of chosenSequences(recording, step, name))
      kernel.calls.choose(ns, R.CHOICE_OF_ISN, 0, 0, 0, 0, number);
  }
}

function fixPort(kernel: Kernel, ns: Handle, choice: Choice): void {
  if (choice.kind === "statistic") return;
  const [src, dst] = [numberOf(kernel, choice.src) ?? 0, numberOf(kernel, choice.dst) ?? 0];
  const echo = choice.proto === "icmpv6" ? ECHO_REQUEST6 : ECHO_REQUEST;
  const ports = choice.kind === "nat-id" ? (choice.id << 16) | echo : (choice.sport << 16) | choice.dport;
  const fix = (kind: number, value: number): void => {
    kernel.calls.choose(ns, kind, src, dst, ports, PROTOCOL_NUMBERS[choice.proto] ?? 0, value);
  };
  if (choice.kind === "nat-destination-port") fix(R.CHOICE_OF_DESTINATION_PORT, choice.new_dport);
  else fix(R.CHOICE_OF_PORT, choice.kind === "nat-port" ? choice.new_sport : choice.new_id);
}
