// A cluster that lives on from the state that it has settled in: controllers, scheduler and kubelets, step by step in virtual time.
import type { Ground } from "../cluster.ts";
import { daemonNodes, makePod, specOf, type UnplacedPod } from "../controllers.ts";
import type { DisruptionBudget } from "../disruption-budgets.ts";
import type { Pod } from "../objects.ts";
import type { PodSpec } from "../pod-schema.ts";
import type { DaemonUpdates, StatefulUpdates, Workload } from "../workloads.ts";
import { Agenda } from "./agenda.ts";
import { daemonSteps, type DaemonNode } from "./daemon-sets.ts";
import { obstacle } from "./evictions.ts";
import type { DeedKind, History, PodState } from "./history.ts";
import { activePods, isActive, templateHash, victims, type LivePod, type PodSet } from "./pod-set.ts";
import { endOf, startOf, type ContainerTimes } from "./pod-times.ts";
import { limitsOf, newReplicas, oldReplicas } from "./rolling.ts";
import { statefulSteps } from "./stateful-sets.ts";

/** From a change of a pod until its controllers have acted on it: watches, queues and calls to the API server. */
const CONTROLLERS_NS = 50_000_000;
/** How often the kubelet looks at its containers (the PLEG's relist period). */
const RELIST_NS = 1_000_000_000;
/** Before containers that crash again and again are started anew (CrashLoopBackOff). */
const FIRST_PAUSE_NS = 10_000_000_000;
const LONGEST_PAUSE_NS = 300_000_000_000;
/** How long pods tolerate a node that is not reachable, unless they say so (DefaultTolerationSeconds). */
const TOLERATED_SECONDS = 300;

/** How often kubectl drain tries to evict a pod that a budget keeps. */
const EVICTION_RETRY_NS = 5_000_000_000;

/** How a node is drained: the budgets that there are, and how long pods are waited for. */
export interface Drain {
  budgets: () => readonly DisruptionBudget[];
  timeoutNs: number;
}

export interface LiveTimes extends ContainerTimes {
  /** From the last heartbeat of a node until the node controller takes it for unreachable. */
  nodeMonitorGracePeriod: number;
}

/** A workload with the sets of pods that it has had, the last of which is the one that it wants. */
interface Controller {
  /** As it was written last. */
  workload: Workload;
  sets: PodSet[];
  desired: number;
  /** How often it was restarted. */
  restarts: number;
  /** Its pods when it first had any, those that others are like. */
  originals: LivePod[];
  /** How many those are, or will be. */
  first: number;
  /** The place of the timeline's entry that it is busy with. */
  event: number;
  /** How its pods end; undefined: as the kubelet ends them. */
  grace: number | undefined;
  isDue: boolean;
  isDeleted: boolean;
}

export class LiveCluster {
  readonly #ground: Ground;
  readonly #times: LiveTimes;
  readonly #agenda = new Agenda();
  /** By `Deployment shop/web`. */
  readonly #controllers = new Map<string, Controller>();
  readonly #pods: LivePod[] = [];
  /** Of all pods that have been: `shop/web-0`. */
  readonly #names = new Set<string>();
  /** Pods that budgets kept on a node, and what the user is told if they stay there. */
  readonly #keptPods = new Map<LivePod, string>();
  readonly #history: History = { steps: [], deeds: [], off: [], later: [], remarks: [] };

  constructor(ground: Ground, times: LiveTimes) {
    this.#ground = ground;
    this.#times = times;
    for (const workload of ground.workloads) this.#controllers.set(labelOf(workload), newController(workload));
    for (const { pod, made } of ground.pods) {
      const controller = this.#controllers.get(labelOf(made.workload));
      const [set] = controller?.sets ?? [];
      if (!controller || !set) continue;
      controller.desired++;
      const live = newPod(made, set, made.workload.ordinals?.[set.pods.length] ?? set.pods.length);
      live.pod = pod;
      if (pod.podIP !== "") live.state = "ready";
      set.pods.push(live);
      controller.first = controller.originals.push(live);
      this.#pods.push(live);
    }
    for (const { namespace, name } of this.#pods.map(({ pod }) => pod)) this.#names.add(`${namespace}/${name}`);
  }

  /** Puts something down that is to be done at a moment. */
  at(atNs: number, run: (nowNs: number) => void): void {
    this.#agenda.at(atNs, run);
  }

  /** Has everything happen until the end of the run. */
  play(endNs: number): History {
    this.#agenda.play(endNs);
    const { steps, deeds, remarks } = this.#history;
    for (const [live, remark] of this.#keptPods) if (isActive(live)) remarks.push(remark);
    steps.sort((a, b) => a.atNs - b.atNs);
    deeds.sort((a, b) => a.atNs - b.atNs);
    return this.#history;
  }

  /** The pods that are there and not about to end, in the order of their coming. */
  get running(): readonly Pod[] {
    return this.#pods.filter((one) => isActive(one) && one.state !== "waiting").map(({ pod }) => pod);
  }

  /** Has a workload want another number of pods. */
  scale(workload: Workload, replicas: number, event: number, grace: number, nowNs: number): void {
    const controller = this.#busy(workload, event);
    controller.desired = replicas;
    if (controller.originals.length === 0) controller.first = replicas;
    controller.grace = grace;
    this.#reconcile(controller, nowNs);
  }

  /** Has a Deployment, a StatefulSet or a DaemonSet make its pods anew, as `kubectl rollout restart` does. */
  rollOut(workload: Workload, event: number, nowNs: number): void {
    const controller = this.#busy(workload, event);
    controller.restarts++;
    controller.grace = undefined;
    this.#renew(controller);
    this.#reconcile(controller, nowNs);
  }

  /** The workloads that there are, as they were written last. */
  get workloads(): Workload[] {
    return [...this.#controllers.values()].filter(({ isDeleted }) => !isDeleted).map(({ workload }) => workload);
  }

  /** Makes the pods of a new workload. */
  create(workload: Workload, event: number, nowNs: number): void {
    const controller = newController(workload);
    controller.event = event;
    controller.desired = workload.ordinals?.length ?? 0;
    controller.first = workload.ordinals?.length ?? daemonNodes(workload, this.#ground.nodes).length;
    const before = this.#controllers.get(labelOf(workload));
    if (before) this.#succeed(before, controller);
    this.#controllers.set(labelOf(workload), controller);
    if (workload.kind === "Pod") this.#resize(controller, controller.sets[0], 1, nowNs);
    else this.#reconcile(controller, nowNs);
  }

  /** A workload takes the name of one that was deleted: its pods are like those, and a StatefulSet's have their names and places again. */
  #succeed(before: Controller, after: Controller): void {
    after.originals = before.originals;
    after.first = Math.max(before.first, after.first);
    const [set] = after.sets;
    if (!set || !after.workload.stateful) return;
    for (const live of before.sets.flatMap(({ pods }) => pods)) {
      live.set = set;
      set.pods.push(live);
    }
  }

  /**
   * `kubectl delete` of a workload, its pods in the background: nobody makes others from now on, and the garbage collector deletes those that
   * there are once it has seen that their owner is gone; of a Deployment its ReplicaSets first. Without `grace` the kubelet ends them.
   */
  delete(workload: Workload, event: number, grace: number | undefined, nowNs: number): void {
    const controller = this.#busy(workload, event);
    controller.isDeleted = true;
    const owned = controller.sets.flatMap(({ pods }) => pods);
    const owners = workload.strategy ? 2 : 1;
    this.#agenda.at(nowNs + owners * CONTROLLERS_NS, (at) => {
      for (const live of owned.filter(isActive)) {
        live.mayReturn = workload.stateful !== undefined;
        this.#end(live, event, grace, at);
      }
    });
  }

  /** A workload is written anew: it may want another number of pods, and pods of another template. */
  configure(workload: Workload, event: number, nowNs: number): void {
    const controller = this.#busy(workload, event);
    const before = controller.workload;
    controller.workload = workload;
    controller.grace = undefined;
    // A number that is not written stays as it is; one that is not written any more is 1 again.
    if (saysReplicas(workload) || saysReplicas(before)) controller.desired = workload.ordinals?.length ?? 0;
    this.#renew(controller);
    this.#reconcile(controller, nowNs);
  }

  /** A Deployment or a DaemonSet has a set for each template; one that it had before is the one it wants again. Others change theirs. */
  #renew(controller: Controller): void {
    const { workload, sets, restarts } = controller;
    const revision = revisionOf(workload, restarts);
    if (!workload.strategy && !workload.daemon) {
      const [set] = sets;
      if (set) Object.assign(set, { workload, revision });
      return;
    }
    const known = sets.findIndex((set) => set.revision === revision);
    const name = workload.daemon ? workload.name : `${workload.name}-${templateHash(workload, sets.length)}`;
    const [set = { workload, revision, name, pods: [] }] = known < 0 ? [] : sets.splice(known, 1);
    sets.push(set);
  }

  /** Deletes a pod; its controller makes another one. */
  remove(pod: Pod, event: number, grace: number, nowNs: number): void {
    const found = this.#pods.find((one) => one.pod === pod);
    if (!found) return;
    found.mayReturn = hasFixedNames(found.set.workload);
    this.#end(found, event, grace, nowNs);
    const controller = this.#busy(found.set.workload, event);
    this.#reconcile(controller, nowNs);
  }

  /**
   * The containers of a pod crash; the pod's network stays. The kubelet sees it when it next looks, and starts them anew: the first time at
   * once, then after a pause that doubles from 10 s to 300 s.
   */
  crash(pod: Pod, event: number, nowNs: number): void {
    const live = this.#pods.find((one) => one.pod === pod);
    if (!live) return;
    live.generation++;
    live.crashes++;
    this.#do(live, "exit", event, nowNs);
    const { generation } = live;
    const pause = live.crashes === 1 ? 0 : Math.min(FIRST_PAUSE_NS * 2 ** (live.crashes - 2), LONGEST_PAUSE_NS);
    this.#agenda.at(nowNs + RELIST_NS, (at) => {
      if (live.generation !== generation) return;
      this.#turn(live, "unready", event, at);
      this.#touch(live.set, at);
      this.#run(live, event, Math.max(at, nowNs + pause) + this.#times.create);
    });
  }

  /** `kubectl cordon`, or uncordon: whether pods may be put on a node. */
  cordon(node: string, on: boolean, nowNs: number): void {
    for (const live of this.#pods)
      if (live.pod.nodeName === node && live.state === "gone") this.#touch(live.set, nowNs);
    this.#ground.scheduler.taint(
      node,
      { key: "node.kubernetes.io/unschedulable", value: "", effect: "NoSchedule" },
      on,
    );
  }

  /**
   * `kubectl drain --ignore-daemonsets --force`: a node is cordoned, and its pods are evicted. One that a budget keeps is tried again
   * every five seconds, for so long as `timeoutNs`; whatever else happens to pods meanwhile.
   */
  drain(node: string, { budgets, timeoutNs }: Drain, event: number, nowNs: number): void {
    this.cordon(node, true, nowNs);
    const isKept = (one: LivePod): boolean =>
      isActive(one) && one.pod.nodeName === node && one.set.workload.kind !== "DaemonSet";
    const evict = (live: LivePod, atNs: number): void => {
      if (!isKept(live)) return;
      const why = obstacle(live, { budgets: budgets(), pods: this.#pods, wanted: (one) => this.#wanted(one) });
      if (why === undefined) {
        this.#keptPods.delete(live);
        this.#busy(live.set.workload, event);
        live.mayReturn = hasFixedNames(live.set.workload);
        this.#end(live, event, undefined, atNs);
        this.#touch(live.set, atNs);
        return;
      }
      const again = atNs + EVICTION_RETRY_NS;
      const { namespace, name } = live.pod;
      const remark = `pod ${namespace}/${name} was not evicted from ${node}: it would break ${why}`;
      this.#keptPods.set(live, remark);
      if (again <= nowNs + timeoutNs) this.#agenda.at(again, (later) => evict(live, later));
    };
    for (const live of this.#pods.filter(isKept)) evict(live, nowNs);
  }

  /** How many pods the controller of one wants; undefined: it stands alone, or its controller does not say. */
  #wanted({ set }: LivePod): { controller: string; replicas: number } | undefined {
    const { kind } = set.workload;
    if (kind === "Pod" || kind === "DaemonSet" || kind === "Job") return undefined;
    const controller = labelOf(set.workload);
    return { controller, replicas: this.#controllers.get(controller)?.desired ?? 0 };
  }

  /**
   * A node loses its power. The node controller waits for its heartbeats, then its pods are not ready; when they have not tolerated that for
   * long enough they are evicted, and their controllers make others, while they stay in their end for ever, as no kubelet ends them.
   */
  turnOff(node: string, event: number, nowNs: number): void {
    this.#history.off.push({ atNs: nowNs, node, event });
    const lost = this.#pods.filter(
      (one) => one.pod.nodeName === node && one.state !== "gone" && one.state !== "waiting",
    );
    for (const live of lost) {
      live.generation++;
      this.#do(live, "vanish", event, nowNs);
    }
    this.#agenda.at(nowNs + this.#times.nodeMonitorGracePeriod, (at) => {
      const taint = { key: "node.kubernetes.io/unreachable", value: "" };
      this.#ground.scheduler.taint(node, { ...taint, effect: "NoExecute" }, true);
      for (const live of lost) {
        this.#turn(live, "unready", event, at);
        const { kind } = live.set.workload;
        const seconds = kind === "DaemonSet" ? Infinity : toleratedSeconds(live.made.spec, taint.key);
        if (seconds !== Infinity) this.#agenda.at(at + seconds * 1e9, (later) => this.#evict(live, event, later));
      }
    });
  }

  /** A pod is to end whose node does not hear of it. */
  #evict(live: LivePod, event: number, nowNs: number): void {
    live.state = "terminating";
    this.#busy(live.set.workload, event);
    this.#touch(live.set, nowNs);
  }

  #busy(workload: Workload, event: number): Controller {
    const controller = this.#controllers.get(labelOf(workload));
    if (!controller) throw new Error(`there is no controller of ${workload.kind} ${workload.name}`);
    controller.event = event;
    return controller;
  }

  // ---- controllers

  /** Something that a controller looks at has changed. */
  #touch(set: PodSet, atNs: number): void {
    const controller = this.#controllers.get(labelOf(set.workload));
    if (!controller || controller.isDue) return;
    controller.isDue = true;
    this.#agenda.at(atNs + CONTROLLERS_NS, (nowNs) => {
      controller.isDue = false;
      this.#reconcile(controller, nowNs);
    });
  }

  #reconcile(controller: Controller, nowNs: number): void {
    const { workload, sets, desired } = controller;
    const fresh = sets.at(-1);
    // A pod that stands alone has nobody who would make another.
    if (!fresh || controller.isDeleted || workload.kind === "Pod") return;
    if (workload.stateful) this.#order(controller, fresh, workload.stateful, nowNs);
    else if (workload.daemon) this.#serveNodes(controller, fresh, workload.daemon, nowNs);
    else if (!workload.strategy) this.#resize(controller, fresh, desired, nowNs);
    else if (workload.strategy.type === "Recreate") this.#recreate(controller, fresh, nowNs);
    else this.#roll(controller, fresh, nowNs);
  }

  /** New pods come when the old ones are gone (rolloutRecreate). */
  #recreate(controller: Controller, fresh: PodSet, nowNs: number): void {
    const old = controller.sets.slice(0, -1);
    for (const set of old) this.#resize(controller, set, 0, nowNs);
    if (old.some(({ pods }) => pods.some(({ state }) => state !== "gone"))) return;
    this.#resize(controller, fresh, controller.desired, nowNs);
  }

  /** One step at a time: more new pods if there is room, else fewer old ones (rolloutRolling). */
  #roll(controller: Controller, fresh: PodSet, nowNs: number): void {
    const { workload, sets, desired } = controller;
    const { strategy } = workload;
    if (!strategy) return;
    const limits = limitsOf(strategy, desired);
    const old = sets.slice(0, -1);
    const count = (set: PodSet): number => activePods(set).length;
    const wanted = newReplicas(
      limits,
      count(fresh),
      sets.reduce((sum, set) => sum + count(set), 0),
    );
    if (wanted !== count(fresh)) {
      this.#resize(controller, fresh, wanted, nowNs);
      this.#touch(fresh, nowNs);
      return;
    }
    const counted = (set: PodSet): { replicas: number; available: number } => ({
      replicas: count(set),
      available: set.pods.filter((live) => isAvailable(live, workload, nowNs)).length,
    });
    oldReplicas(limits, counted(fresh), old.map(counted)).forEach((replicas, i) => {
      const set = old[i];
      if (!set || replicas === count(set)) return;
      this.#resize(controller, set, replicas, nowNs);
      this.#touch(set, nowNs);
    });
  }

  /** The pods of a StatefulSet. At the very beginning of a run everything has settled, whatever the order. */
  #order(controller: Controller, set: PodSet, updates: StatefulUpdates, nowNs: number): void {
    const { workload, desired } = controller;
    const numbered = set.pods.map((live) => ({
      ordinal: live.ordinal,
      state: live.state === "gone" || live.state === "terminating" ? live.state : ("there" as const),
      isAvailable: isAvailable(live, workload, nowNs),
      isCurrent: live.revision === set.revision,
    }));
    const { ordinals: [first = 0] = [] } = workload;
    const how = nowNs === 0 ? { ...updates, parallel: true } : updates;
    for (const step of statefulSteps(numbered, { first, replicas: desired }, how)) {
      const live = set.pods.find(({ ordinal }) => ordinal === ("make" in step ? step.make : step.end));
      if ("make" in step) this.#makeNumbered(controller, set, step.make, live, nowNs);
      else if (live) this.#letGo(controller, live, nowNs);
    }
  }

  /** A pod of a StatefulSet: where it was before, if there was one. */
  #makeNumbered(controller: Controller, set: PodSet, ordinal: number, old: LivePod | undefined, nowNs: number): void {
    if (!old) return this.#makeNew(controller, set, ordinal, nowNs);
    const { partition = 0 } = controller.workload.stateful ?? {};
    if (ordinal >= partition) {
      old.revision = set.revision;
      old.made = { ...old.made, spec: specOf(controller.workload) };
    }
    this.#bringBack(controller, old, nowNs);
  }

  /** The pods of a DaemonSet. */
  #serveNodes(controller: Controller, fresh: PodSet, updates: DaemonUpdates, nowNs: number): void {
    const { workload, sets } = controller;
    const all = sets.flatMap(({ pods }) => pods);
    const level = (own: readonly LivePod[]): DaemonNode["fresh"] =>
      own.length === 0 ? "none" : own.some((live) => isAvailable(live, workload, nowNs)) ? "available" : "unavailable";
    const byNode = new Map<string, LivePod[]>();
    for (const live of all) {
      const there = byNode.get(live.pod.nodeName);
      if (there) there.push(live);
      else byNode.set(live.pod.nodeName, [live]);
    }
    const nodes = daemonNodes(workload, this.#ground.nodes).map(({ node: { name: node } }): DaemonNode => {
      const there = byNode.get(node) ?? [];
      const active = there.filter(isActive);
      return {
        node,
        isEnding: there.some(({ state }) => state === "terminating"),
        fresh: level(active.filter(({ set }) => set === fresh)),
        old: level(active.filter(({ set }) => set !== fresh)),
      };
    });
    const { make, end } = daemonSteps(nodes, updates);
    for (const live of all.filter((one) => isActive(one) && one.set !== fresh))
      if (end.includes(live.pod.nodeName)) this.#letGo(controller, live, nowNs);
    for (const node of make) this.#make(controller, fresh, nowNs, node);
  }

  /** A pod's controller has it end, and may have it back. */
  #letGo(controller: Controller, live: LivePod, nowNs: number): void {
    live.mayReturn = true;
    this.#end(live, controller.event, controller.grace, nowNs);
  }

  /** Brings a set to a number of pods. */
  #resize(controller: Controller, set: PodSet | undefined, replicas: number, nowNs: number): void {
    if (!set) return;
    const surplus = activePods(set).length - replicas;
    if (surplus > 0) {
      const related = controller.sets.flatMap(({ pods }) => pods);
      for (const live of victims(set, related, surplus)) this.#letGo(controller, live, nowNs);
    }
    for (let missing = -surplus; missing > 0; missing--) this.#make(controller, set, nowNs);
  }

  // ---- pods

  /** A pod more: one that was let go comes back, under the address that it had, or there is a new one. `onlyNode`: where a DaemonSet wants it. */
  #make(controller: Controller, set: PodSet, nowNs: number, onlyNode?: string): void {
    const old = set.pods.find(
      ({ state, mayReturn, pod }) =>
        mayReturn && state === "gone" && (onlyNode === undefined || pod.nodeName === onlyNode),
    );
    if (old) this.#bringBack(controller, old, nowNs);
    else this.#makeNew(controller, set, set.pods.length, nowNs, onlyNode);
  }

  /** A pod that is gone is there again, if its node takes it back: none moves to another node under the name that it had. */
  #bringBack(controller: Controller, old: LivePod, nowNs: number): void {
    const { namespace, name, nodeName } = old.pod;
    if (!hasFixedNames(controller.workload) || this.#ground.scheduler.takesBack(nodeName, old.made)) {
      this.#ground.scheduler.rejoin(nodeName, old.made.hostPorts);
      this.#begin(old, controller.event, nowNs);
      return;
    }
    const remark = `pod ${namespace}/${name} is not made anew on another node than ${nodeName}: that is not emulated yet`;
    if (!this.#history.remarks.includes(remark)) this.#history.remarks.push(remark);
  }

  /** A pod that there was not before. `onlyNode` as above. */
  #makeNew(controller: Controller, set: PodSet, from: number, nowNs: number, onlyNode?: string): void {
    const { workload } = set;
    let ordinal = from;
    const nameOf = (number: number): string => (workload.kind === "Pod" ? workload.name : `${set.name}-${number}`);
    while (this.#names.has(`${workload.namespace}/${nameOf(ordinal)}`)) ordinal++;
    this.#names.add(`${workload.namespace}/${nameOf(ordinal)}`);
    const made = makePod(workload, specOf(workload), nameOf(ordinal), ordinal);
    if (set.name !== workload.name)
      made.pod.labels = { ...made.pod.labels, "pod-template-hash": set.name.slice(workload.name.length + 1) };
    const live = newPod(onlyNode === undefined ? made : { ...made, onlyNode }, set, ordinal);
    set.pods.push(live);
    this.#pods.push(live);
    if (!this.#place(live, controller.event, nowNs)) {
      const { namespace, name } = live.pod;
      this.#history.remarks.push(`pod ${namespace}/${name} had to wait for a node`);
    }
  }

  /** Finds a node for a pod. False: there is none, and it waits. */
  #place(live: LivePod, event: number, nowNs: number): boolean {
    const own = (node: string): number => activePods(live.set).filter(({ pod }) => pod.nodeName === node).length;
    const placed = this.#ground.scheduler.place(live.made, own);
    if ("reason" in placed) return false;
    live.pod = placed;
    this.#history.later.push({ pod: placed, like: this.#likeness(live) });
    this.#begin(live, event, nowNs);
    return true;
  }

  /** The pod that another one is like; undefined for the first of a workload. */
  #likeness(live: LivePod): Pod | undefined {
    const controller = this.#controllers.get(labelOf(live.set.workload));
    if (!controller) return undefined;
    const { originals, first } = controller;
    if (originals.length < first) {
      originals.push(live);
      return undefined;
    }
    const same = live.made.onlyNode === undefined ? undefined : originals.find(({ pod }) => pod.nodeName === live.pod.nodeName); // prettier-ignore
    return (same ?? originals[live.ordinal % Math.max(originals.length, 1)])?.pod;
  }

  /** A pod's node makes its network and starts its containers. */
  #begin(live: LivePod, event: number, nowNs: number): void {
    live.generation++;
    this.#turn(live, "starting", event, nowNs);
    this.#do(live, "appear", event, nowNs);
    // At the very beginning of a run everything has settled.
    this.#run(live, event, nowNs === 0 ? 0 : nowNs + this.#times.create);
  }

  /** The containers of a pod begin to run. */
  #run(live: LivePod, event: number, runsNs: number): void {
    const { generation } = live;
    const start = startOf(live.made.spec, runsNs, this.#times);
    const then = (atNs: number, run: (nowNs: number) => void): void =>
      this.#agenda.at(atNs, (nowNs) => {
        if (live.generation === generation) run(nowNs);
      });
    then(start.listensNs, (nowNs) => this.#do(live, "listen", event, nowNs));
    then(start.readyNs, (nowNs) => {
      live.readyNs = nowNs;
      this.#turn(live, "ready", event, nowNs);
      this.#touch(live.set, nowNs);
      const { minReadySeconds = 0 } = this.#controllers.get(labelOf(live.set.workload))?.workload ?? {};
      if (minReadySeconds > 0) then(nowNs + minReadySeconds * 1e9, (later) => this.#touch(live.set, later));
    });
  }

  /** A pod is deleted. With `grace` it serves on for so long and is cut off then; otherwise the kubelet ends it. */
  #end(live: LivePod, event: number, grace: number | undefined, nowNs: number): void {
    live.generation++;
    if (live.state === "waiting") {
      live.state = "gone";
      return;
    }
    if (grace === undefined) {
      const { stopsNs, exitsNs, goneNs } = endOf(live.made.spec, nowNs, this.#times);
      this.#turn(live, "terminating", event, nowNs);
      this.#agenda.at(stopsNs, (at) => this.#do(live, "stop", event, at));
      this.#agenda.at(exitsNs, (at) => this.#do(live, "exit", event, at));
      this.#agenda.at(goneNs, (at) => this.#leave(live, event, at));
    } else if (grace > 0) {
      this.#turn(live, "terminating", event, nowNs);
      this.#agenda.at(nowNs + grace, (at) => this.#leave(live, event, at));
    } else this.#leave(live, event, nowNs);
  }

  #leave(live: LivePod, event: number, nowNs: number): void {
    this.#do(live, "vanish", event, nowNs);
    this.#turn(live, "gone", event, nowNs);
    this.#ground.scheduler.leave(live.pod.nodeName, live.made.hostPorts);
    this.#touch(live.set, nowNs);
    for (const other of this.#pods) if (other.state === "waiting") this.#place(other, event, nowNs);
  }

  #turn(live: LivePod, state: PodState, event: number, atNs: number): void {
    live.state = state;
    this.#history.steps.push({ atNs, pod: live.pod, state, event });
  }

  #do({ pod }: LivePod, kind: DeedKind, event: number, atNs: number): void {
    this.#history.deeds.push({ atNs, pod, kind, event });
  }
}

function newController(workload: Workload): Controller {
  const set: PodSet = { workload, revision: revisionOf(workload, 0), name: workload.name, pods: [] };
  const state = {
    desired: 0,
    restarts: 0,
    originals: [],
    first: 0,
    event: 0,
    grace: undefined,
    isDue: false,
    isDeleted: false,
  };
  return { workload, sets: [set], ...state };
}

/** `Deployment shop/web` */
function labelOf({ kind, namespace, name }: Workload): string {
  return `${kind} ${namespace}/${name}`;
}

/** The template as it is written: an image of another name is another template, too. */
function revisionOf({ manifest }: Workload, restarts: number): string {
  const { spec } = manifest.value as { spec?: { template?: unknown } };
  return JSON.stringify([spec?.template, restarts]);
}

/** Whether its manifest says how many pods it wants. */
function saysReplicas({ manifest }: Workload): boolean {
  const { spec } = manifest.value as { spec?: { replicas?: unknown } };
  return spec?.replicas !== undefined;
}

function newPod(made: UnplacedPod, set: PodSet, ordinal: number): LivePod {
  return {
    pod: made.pod,
    made,
    set,
    ordinal,
    revision: set.revision,
    state: "waiting",
    readyNs: 0,
    mayReturn: false,
    crashes: 0,
    generation: 0,
  };
}

/** Infinity: for ever. */
function toleratedSeconds({ tolerations }: PodSpec, key: string): number {
  const found = tolerations.find(
    (one) => (one.key === key || one.key === "") && (one.effect === "" || one.effect === "NoExecute"),
  );
  return found ? Math.max(0, found.tolerationSeconds ?? Infinity) : TOLERATED_SECONDS;
}

/** Whether a pod is ready, and has been for as long as its workload says. */
function isAvailable({ state, readyNs }: LivePod, { minReadySeconds = 0 }: Workload, nowNs: number): boolean {
  return state === "ready" && (readyNs === 0 || readyNs + minReadySeconds * 1e9 <= nowNs);
}

/** Whether a pod that is gone has a successor of the same name. */
function hasFixedNames({ kind }: Workload): boolean {
  return kind === "StatefulSet" || kind === "DaemonSet";
}
