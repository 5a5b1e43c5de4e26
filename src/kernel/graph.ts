// What services call before they answer, as records in the kernel (GRAPH_*).
import * as R from "../../assembly/layout/records.ts";
import * as T from "../../assembly/layout/traffic.ts";
import type { ServiceCall, ServiceRoute } from "../seam/plan.ts";
import { placeDistribution } from "./flows.ts";
import type { Handle, Kernel } from "./kernel.ts";

/** What a namespace's services answer when a call fails: bytes behind their length. */
export interface GraphAnswers {
  badGateway: Handle;
  timeout: Handle;
}

/** Gives a namespace its routes; `flowOf` knows the flow of each call, `place` puts bytes behind their length. */
export function setRoutes(
  kernel: Kernel,
  ns: Handle,
  routes: readonly ServiceRoute[],
  flowOf: (call: number) => Handle,
  place: (text: string) => Handle,
  answers: GraphAnswers,
): void {
  const record = (size: number, words: [offset: number, value: number][]): Handle => {
    const at = kernel.calls.reserve(size) >>> 0;
    for (const [offset, value] of words) kernel.setWord(at + offset, value);
    return at;
  };
  // Lists are made from their ends.
  const linked = <T>(items: readonly T[], make: (item: T, next: Handle) => Handle): Handle =>
    items.reduceRight((next, item) => make(item, next), 0);
  const call = (one: ServiceCall, next: Handle): Handle =>
    record(T.CALL_SIZE, [
      [T.CALL_NEXT, next],
      [T.CALL_FLOW, "call" in one ? flowOf(one.call) : 0],
      [T.CALL_WORK, "work" in one ? placeDistribution(kernel, one.work) : 0],
      [T.CALL_TIMES, "call" in one ? one.times : 1],
      [T.CALL_CHANCE, one.chance < 1 ? Math.max(1, Math.round(one.chance * 2 ** 32)) : 0],
    ]);
  const first = linked(routes, ({ path, port = 0, stages }, next) =>
    record(T.HANDLER_SIZE, [
      [T.HANDLER_NEXT, next],
      [T.HANDLER_PORT, port],
      [T.HANDLER_PATH, place(path)],
      [
        T.HANDLER_STAGE,
        linked(stages, (stage, after) =>
          record(T.STAGE_SIZE, [
            [T.STAGE_NEXT, after],
            [T.STAGE_CALL, linked(stage, call)],
          ]),
        ),
      ],
    ]),
  );
  const graph = record(T.GRAPH_SIZE, [
    [T.GRAPH_ROUTES, first],
    [T.GRAPH_BAD_GATEWAY, answers.badGateway],
    [T.GRAPH_TIMEOUT, answers.timeout],
  ]);
  kernel.setWord(ns + R.NS_GRAPH, graph);
}
