// Flows of pods that come and go: a pod calls as long as its processes run, and one that comes later calls as another of its workload does.
import type { PodEvents } from "./pod-events.ts";
import { podNamespace } from "../node/kubelet.ts";
import type { FlowConfig, ServiceRoute } from "../seam/plan.ts";

interface Span {
  fromNs: number;
  toNs: number;
}

/**
 * The flows of a plan with those of later pods, each as long as its client lives; what a service calls before it answers, it calls as long as
 * it has requests. Others are as they were.
 */
export function livingFlows(flows: readonly FlowConfig[], { deeds, off, later }: PodEvents): FlowConfig[] {
  if (deeds.length + off.length === 0) return [...flows];
  const spans = spansOf(deeds, new Set(later.map(({ pod }) => podNamespace(pod))));
  for (const { node, atNs } of off) spans.set(node, [{ fromNs: 0, toNs: atNs }]);
  const added = later.flatMap(({ pod, like }) =>
    flows
      .filter(({ namespace }) => like && namespace === podNamespace(like))
      .map((flow) => ({ ...flow, namespace: podNamespace(pod) })),
  );
  return [...flows, ...added].flatMap((flow) => {
    // Who serves a request calls for it, also while it is about to end.
    const lives = isCalled(flow) ? undefined : spans.get(flow.namespace);
    return lives ? lives.flatMap((span) => during(flow, span)) : [flow];
  });
}

/** What pods call before they answer, with that of later ones: each does as the one that it is like. */
export function livingRoutes(routes: readonly ServiceRoute[], { later }: PodEvents): ServiceRoute[] {
  const added = later.flatMap(({ pod, like }) =>
    routes
      .filter(({ namespace }) => like && namespace === podNamespace(like))
      .map((route) => ({ ...route, namespace: podNamespace(pod) })),
  );
  return [...routes, ...added];
}

function isCalled({ arrival }: FlowConfig): boolean {
  return typeof arrival === "object" && arrival.kind === "called";
}

/** When the processes of pods run, by namespace: of those that the timeline touches. `late`: those that do not at the beginning. */
function spansOf(deeds: PodEvents["deeds"], late: ReadonlySet<string>): Map<string, Span[]> {
  const spans = new Map<string, Span[]>();
  for (const { pod, kind, atNs } of deeds) {
    const name = podNamespace(pod);
    const own = spans.get(name) ?? (late.has(name) ? [] : [{ fromNs: 0, toNs: Infinity }]);
    spans.set(name, own);
    const last = own.at(-1);
    if (kind === "listen") own.push({ fromNs: atNs, toNs: Infinity });
    else if (kind !== "appear" && last) last.toNs = Math.min(last.toNs, atNs);
  }
  return spans;
}

/** The part of a flow that lies in a span of time; its requests keep their rhythm. */
function during(flow: FlowConfig, { fromNs, toNs }: Span): FlowConfig[] {
  const stopNs = Math.min(flow.stopNs, toNs);
  const gap = 1e9 / flow.rate;
  const missed = Math.max(0, Math.ceil((fromNs - flow.startNs) / gap));
  const startNs =
    flow.arrival === "constant" ? flow.startNs + Math.round(missed * gap) : Math.max(flow.startNs, fromNs);
  return startNs < stopNs ? [{ ...flow, startNs, stopNs }] : [];
}
