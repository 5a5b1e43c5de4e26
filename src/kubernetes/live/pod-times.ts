// When a pod listens and is ready after it was made, and how it ends: the kubelet's part in a pod's life.
import type { PodSpec, Probe } from "../pod-schema.ts";

const SECOND = 1_000_000_000;
/** However short the time that is left, a container is given so long between SIGTERM and SIGKILL (minimumGracePeriodInSeconds). */
const LEAST_GRACE_NS = 2 * SECOND;
/** From the end of the last container to the end of the pod's network: the sandbox is stopped, its veth pair deleted. */
const TEARDOWN_NS = 100_000_000;

/** What containers take their time for, in nanoseconds. */
export interface ContainerTimes {
  /** From the making of a pod until its containers run: scheduling, sandbox, images. */
  create: number;
  /** From then until their ports listen. */
  startup: number;
  /** From SIGTERM, at which a server closes its listeners, until it exits. */
  shutdown: number;
}

export interface Start {
  listensNs: number;
  readyNs: number;
}

/** A pod whose containers begin to run at a moment. It is ready when all containers are: those without a probe at once. */
export function startOf(spec: PodSpec, runsNs: number, { startup }: Pick<ContainerTimes, "startup">): Start {
  const listensNs = runsNs + startup;
  const ready = running(spec).map(({ readinessProbe, startupProbe }) => {
    const startedNs = startupProbe ? succeeds(startupProbe, runsNs, listensNs) : runsNs;
    return readinessProbe ? succeeds(readinessProbe, runsNs, Math.max(listensNs, startedNs), startedNs) : startedNs;
  });
  return { listensNs, readyNs: Math.max(...ready) };
}

/** All containers that go on running. */
function running({ containers, initContainers }: PodSpec): PodSpec["containers"] {
  return [...initContainers.filter(({ restartPolicy }) => restartPolicy === "Always"), ...containers];
}

/**
 * When a probe has succeeded often enough: it asks after its delay and then once in each period, and succeeds from `fromNs` on. The kubelet
 * asks besides at the moment at which a startup probe has succeeded.
 */
function succeeds(probe: Probe, runsNs: number, fromNs: number, atOnceNs = runsNs): number {
  const period = probe.periodSeconds * SECOND;
  const first = Math.max(runsNs + probe.initialDelaySeconds * SECOND, atOnceNs);
  const missed = Math.max(0, Math.ceil((fromNs - first) / period));
  return first + (missed + probe.successThreshold - 1) * period;
}

export interface End {
  /** Containers have got SIGTERM, the last of them now: their servers close their listeners. */
  stopsNs: number;
  /** They have exited, or got SIGKILL. */
  exitsNs: number;
  /** The pod's network is gone, and so is the pod. */
  goneNs: number;
}

/**
 * How the kubelet ends a pod that is deleted at a moment: first the preStop hook, with a grace period, then SIGTERM, and SIGKILL to what
 * has not exited when the period is over.
 */
export function endOf(spec: PodSpec, atNs: number, { shutdown }: Pick<ContainerTimes, "shutdown">): End {
  const grace = spec.terminationGracePeriodSeconds * SECOND;
  const hooks = running(spec).map((container) => Math.min(preStopSeconds(container) * SECOND, grace));
  const stopsNs = atNs + Math.max(...hooks);
  const exits = hooks.map((hook) => atNs + hook + Math.min(shutdown, Math.max(grace - hook, LEAST_GRACE_NS)));
  const exitsNs = Math.max(...exits);
  return { stopsNs, exitsNs, goneNs: exitsNs + TEARDOWN_NS };
}

/** How long a preStop hook takes: its sleep, or those of its command; other commands take no time. */
function preStopSeconds({ lifecycle }: PodSpec["containers"][number]): number {
  const { sleep, exec } = lifecycle?.preStop ?? {};
  if (sleep) return sleep.seconds;
  const command = exec?.command.join(" ") ?? "";
  return [...command.matchAll(/\bsleep (\d+(?:\.\d+)?)/g)].reduce((sum, [, text = "0"]) => sum + Number(text), 0);
}
