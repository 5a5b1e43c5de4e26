// Processors: what the kernel is told of one when it is built, and what is read from it at the end.
import * as R from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { ProcessorResult } from "../seam/plan.ts";
import type { ProcessorConfig, ProcessorCosts } from "../seam/processor.ts";

const COST_FIELDS: Record<keyof ProcessorCosts, number> = {
  hop: R.CPU_HOP,
  socket: R.CPU_SOCKET,
  table: R.CPU_TABLE,
  rule: R.CPU_RULE,
  conntrackLookup: R.CPU_LOOKUP,
  conntrackInsert: R.CPU_INSERT,
  nat: R.CPU_NAT,
  byte: R.CPU_BYTE,
};

export interface BuiltProcessor {
  machine: string;
  /** CPU_*. */
  record: Handle;
}

/** Gives a machine, by its handle, a processor. */
export function addProcessor(
  kernel: Kernel,
  name: string,
  machine: Handle,
  { cores, backlog, costs }: ProcessorConfig,
): BuiltProcessor {
  const record = kernel.calls.newProcessor(machine, cores, backlog) >>> 0;
  for (const [cost, field] of Object.entries(COST_FIELDS))
    kernel.setWord(record + field, Math.round(costs[cost as keyof ProcessorCosts] * 2 ** R.COST_SHIFT));
  return { machine: name, record };
}

/** What the cores did until the end of the run. */
export function processorResult(kernel: Kernel, { machine, record }: BuiltProcessor, endNs: number): ProcessorResult {
  const long = (at: Handle): number => Number(kernel.long(at));
  const cores = Array.from({ length: kernel.word(record + R.CPU_CORES) }, (_, i) => {
    const core = record + R.CPU_SIZE + i * R.CORE_SIZE;
    // The last piece of work may go on behind the end.
    const beyond = Math.max(0, long(core + R.CORE_FREE_AT) - endNs);
    return {
      busyNs: long(core + R.CORE_BUSY) - beyond,
      frames: long(core + R.CORE_FRAMES),
      dropped: long(core + R.CORE_DROPPED),
      longestBacklog: kernel.word(core + R.CORE_LONGEST),
    };
  });
  return { machine, cores };
}
