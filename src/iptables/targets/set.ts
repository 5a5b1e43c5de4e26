// -j SET: adds the packet's addresses and ports to an ipset, or deletes them from it.
import { TARGET_SET, TARGET_SET_ADD, TARGET_SET_DELETE } from "../../../assembly/layout/rules.ts";
import type { TargetExtension } from "../extension.ts";
import { parseSetReference, SET_REFERENCE, setDirections, type SetReference } from "../sets.ts";

export interface SetTarget extends SetReference {
  kind: "SET";
  operation: "add" | "del";
  /** An element that is there is renewed. */
  exist: boolean;
  /** In seconds; the set's own if left out. */
  timeout?: number;
}

const OWN_TIMEOUT = 0xffffffff;

export const set: TargetExtension<SetTarget> = {
  name: "SET",
  options: [
    { name: "add-set", words: 2 },
    { name: "del-set", words: 2 },
    { name: "exist", words: 0 },
    { name: "timeout" },
  ],
  parse(options) {
    const name = options.oneOf(["add-set", "del-set"], true);
    const words = options.words(name) ?? [];
    for (const option of ["exist", "timeout"])
      if (options.has(option) && name === "del-set") options.fail(option, `--${option} goes with --add-set only`);
    const timeout = options.number("timeout", OWN_TIMEOUT - 1);
    return {
      kind: "SET",
      operation: name === "add-set" ? "add" : "del",
      ...(parseSetReference(words) ?? options.fail(name, `"${words.join(" ")}" is not ${SET_REFERENCE}`)),
      exist: options.has("exist"),
      ...(timeout !== undefined && { timeout }),
    };
  },
  print: (target) =>
    ` --${target.operation}-set ${target.name} ${target.directions.join(",")}` +
    (target.exist ? " --exist" : "") +
    (target.timeout === undefined ? "" : ` --timeout ${target.timeout}`),
  compile: (target, block) => ({
    kind: TARGET_SET,
    args: [
      target.operation === "add" ? TARGET_SET_ADD : TARGET_SET_DELETE,
      block.name("set", target.name),
      target.directions.length,
      setDirections(target),
      target.timeout ?? OWN_TIMEOUT,
      target.exist ? 1 : 0,
    ],
  }),
};
