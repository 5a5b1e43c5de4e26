// How a cluster lives on: what its controllers, scheduler and kubelets make of what happens to it, step by step.
import { describe, expect, test } from "vitest";
import { parseDocuments } from "../../../src/documents/document.ts";
import { settleLiving } from "../../../src/kubernetes/cluster.ts";
import type { DisruptionBudget } from "../../../src/kubernetes/disruption-budgets.ts";
import type { History } from "../../../src/kubernetes/live/history.ts";
import { LiveCluster } from "../../../src/kubernetes/live/live-cluster.ts";
import { parseObjects } from "../../../src/kubernetes/parse.ts";
import type { Workload } from "../../../src/kubernetes/workloads.ts";
import { OPTIONS } from "../build.ts";

const S = 1e9;
const TIMES = { create: S, startup: 0, shutdown: S, nodeMonitorGracePeriod: 50 * S };

interface Wanted {
  replicas?: number;
  deployment?: string;
  pod?: string;
  kind?: string;
}

/** A workload `web` on three nodes, and what `act` does to it at 10 s; played for 1,000 s. */
function live(
  { replicas = 3, deployment = "", pod = "", kind = "Deployment" }: Wanted,
  act: (cluster: LiveCluster, web: Workload, nowNs: number) => void,
): History {
  const text = `apiVersion: apps/v1
kind: ${kind}
metadata: { name: web }
spec:
  ${replicas < 0 ? "" : `replicas: ${replicas}`}
  ${deployment}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: web, image: example/web:1, ports: [{ containerPort: 80 }] }], ${pod} }
`;
  let history: History | undefined;
  settleLiving(parseObjects(parseDocuments(text, "a.yaml")), OPTIONS, (ground) => {
    const cluster = new LiveCluster(ground, TIMES);
    const [web] = ground.workloads;
    cluster.at(10 * S, (nowNs) => web && act(cluster, web, nowNs));
    history = cluster.play(1000 * S);
    return { later: history.later.map(({ pod: one }) => one), states: [] };
  });
  if (!history) throw new Error("nothing happened");
  return history;
}

/** `10.05 web-0 terminating` for each step; a pod-template-hash is cut to `*`. */
function told({ steps }: History): string[] {
  return steps.map(({ atNs, pod, state }) => `${atNs / S} ${pod.name.replace(/-[4-9b-z]{6,10}-/, "-*-")} ${state}`);
}

const rollOut = (cluster: LiveCluster, web: Workload, nowNs: number): void => cluster.rollOut(web, 0, nowNs);

describe("a rollout of two pods", () => {
  test("has one new pod first, and one old pod less for each new one that is ready", () => {
    expect(told(live({ replicas: 2 }, rollOut))).toEqual([
      "10 web-*-0 starting",
      "11 web-*-0 ready",
      "11.05 web-1 terminating",
      "11.1 web-*-1 starting",
      "12.1 web-*-1 ready",
      "12.15 web-1 gone",
      "12.15 web-0 terminating",
      "13.25 web-0 gone",
    ]);
  });

  test("waits with minReadySeconds until a new pod has been ready for so long", () => {
    const steps = told(live({ replicas: 1, deployment: "minReadySeconds: 5" }, rollOut));
    expect(steps.slice(1, 3)).toEqual(["11 web-*-0 ready", "16.05 web-0 terminating"]);
  });

  test("goes on where another one is under way", () => {
    const history = live({ replicas: 2 }, (cluster, web, nowNs) => {
      rollOut(cluster, web, nowNs);
      cluster.at(nowNs + 0.5 * S, (later) => rollOut(cluster, web, later));
    });
    expect(new Set(history.later.map(({ pod }) => pod.labels["pod-template-hash"])).size).toBe(2);
    // The pod that was not ready goes first.
    expect(told(history)[1]).toMatch(/^10\.5 web-\*-0 terminating$/);
    const there = new Map(history.steps.map(({ pod, state }) => [pod.name, state]));
    expect([...there.values()].filter((state) => state === "ready")).toHaveLength(2);
  });

  test("Recreate: new pods begin when the last old one is gone", () => {
    const steps = told(live({ replicas: 2, deployment: "strategy: { type: Recreate }" }, rollOut));
    expect(steps.slice(2, 5)).toEqual(["11.1 web-1 gone", "11.1 web-0 gone", "11.15 web-*-0 starting"]);
  });

  test("new pods have the next addresses of their nodes, and are spread over them", () => {
    const { later } = live({}, rollOut);
    expect(later.map(({ pod: { nodeName, podIP } }) => `${nodeName} ${podIP}`)).toEqual([
      "node-3 10.244.3.3",
      "node-1 10.244.1.4",
      "node-2 10.244.2.4",
    ]);
  });
});

describe("a workload that is deleted", () => {
  test("has all its pods ended once the collector has seen to its ReplicaSet, and makes no others", () => {
    const history = live({ replicas: 2 }, (cluster, web, nowNs) => cluster.delete(web, 0, undefined, nowNs));
    expect(told(history)).toEqual([
      ...["10.1 web-0 terminating", "10.1 web-1 terminating"],
      ...["11.2 web-0 gone", "11.2 web-1 gone"],
    ]);
  });

  test("and made again is a StatefulSet whose pods wait for those that had their names", () => {
    const history = live({ replicas: 2, kind: "StatefulSet" }, (cluster, web, nowNs) => {
      cluster.delete(web, 0, undefined, nowNs);
      cluster.at(nowNs + 0.5 * S, (later) => cluster.create(web, 1, later));
    });
    expect(told(history)).toEqual([
      ...["10.05 web-0 terminating", "10.05 web-1 terminating", "11.15 web-0 gone", "11.15 web-1 gone"],
      ...["11.2 web-0 starting", "12.2 web-0 ready", "12.25 web-1 starting", "13.25 web-1 ready"],
    ]);
  });

  test("ends the pods that come of a rollout under way, too", () => {
    const history = live({ replicas: 2 }, (cluster, web, nowNs) => {
      rollOut(cluster, web, nowNs);
      cluster.at(nowNs + 0.5 * S, (later) => cluster.delete(web, 0, undefined, later));
    });
    const there = new Map(history.steps.map(({ pod, state }) => [pod.name, state]));
    expect([...there.values()]).toEqual(["gone", "gone", "gone"]);
  });
});

describe("a pod that crashes", () => {
  test("is started anew at once, the second time after ten seconds, then twenty", () => {
    const history = live({ replicas: 1 }, (cluster, _, nowNs) => {
      const crash = (at: number): void => cluster.running.slice(0, 1).forEach((pod) => cluster.crash(pod, 0, at));
      crash(nowNs);
      cluster.at(nowNs + 10 * S, crash);
      cluster.at(nowNs + 40 * S, crash);
    });
    expect(told(history)).toEqual([
      ...["11 web-0 unready", "12 web-0 ready"],
      ...["21 web-0 unready", "31 web-0 ready"],
      ...["51 web-0 unready", "71 web-0 ready"],
    ]);
  });
});

describe("a node without power", () => {
  const turnOff = (cluster: LiveCluster, _: Workload, nowNs: number): void => cluster.turnOff("node-1", 0, nowNs);

  test("has its pods unready after 50 s, and replaced on other nodes after another 300 s", () => {
    const history = live({}, turnOff);
    const web = told(history).filter((text) => text.includes("web"));
    expect(web).toEqual(["60 web-0 unready", "360.05 web-3 starting", "361.05 web-3 ready"]);
    expect(history.later[0]?.pod.nodeName).not.toBe("node-1");
  });

  test("tolerated for ten seconds, it is left after those", () => {
    const pod =
      "tolerations: [{ key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 10 }]";
    expect(told(live({ pod }, turnOff)).filter((text) => text.includes("web-3"))[0]).toBe("70.05 web-3 starting");
  });

  test("keeps the names of a StatefulSet's pods for itself", () => {
    const web = told(live({ kind: "StatefulSet" }, turnOff)).filter((text) => text.includes("web"));
    expect(web).toEqual(["60 web-0 unready"]);
  });
});

test("a drained node has its pods ended, and gets none until it is uncordoned", () => {
  const history = live({}, (cluster, web, nowNs) => {
    cluster.drain("node-1", { budgets: () => [], timeoutNs: Infinity }, 0, nowNs);
    cluster.at(20 * S, (later) => cluster.scale(web, 6, 0, 0, later));
    cluster.at(30 * S, (later) => {
      cluster.cordon("node-1", false, later);
      cluster.scale(web, 7, 0, 0, later);
    });
  });
  expect(told(history)[0]).toBe("10 web-0 terminating");
  const nodes = history.later.filter(({ pod }) => pod.name.startsWith("web")).map(({ pod }) => pod.nodeName);
  expect(nodes.slice(0, 4)).not.toContain("node-1");
  expect(nodes[4]).toBe("node-1");
});

describe("a StatefulSet", () => {
  const kind = "StatefulSet";
  /** Its own steps, without the hash of anything. */
  const play = (wanted: Wanted, act: Parameters<typeof live>[1]): string[] =>
    told(live({ kind, ...wanted }, act)).filter((text) => text.includes("web"));

  test("that is rolled out has its last pod replaced first, each when the one after it is ready, under its name", () => {
    expect(play({ replicas: 2 }, rollOut)).toEqual([
      ...["10 web-1 terminating", "11.1 web-1 gone", "11.15 web-1 starting", "12.15 web-1 ready"],
      ...["12.2 web-0 terminating", "13.3 web-0 gone", "13.35 web-0 starting", "14.35 web-0 ready"],
    ]);
  });

  test("with a partition keeps the pods of lower numbers", () => {
    const deployment = "updateStrategy: { rollingUpdate: { partition: 2 } }";
    expect(play({ deployment }, rollOut)[0]).toBe("10 web-2 terminating");
    expect(play({ deployment }, rollOut).filter((text) => !text.includes("web-2"))).toEqual([]);
  });

  test("OnDelete: replaces a pod when somebody deletes it", () => {
    const steps = play({ deployment: "updateStrategy: { type: OnDelete }" }, (cluster, web, nowNs) => {
      rollOut(cluster, web, nowNs);
      cluster.at(20 * S, (later) => cluster.running.slice(0, 1).forEach((pod) => cluster.remove(pod, 0, 0, later)));
    });
    expect(steps).toEqual(["20 web-0 gone", "20 web-0 starting", "21 web-0 ready"]);
  });

  test("that is scaled has the next pod when the one before it is ready, and the last one end first", () => {
    const steps = play({ replicas: 1 }, (cluster, web, nowNs) => {
      cluster.scale(web, 3, 0, 0, nowNs);
      cluster.at(20 * S, (later) => cluster.scale(web, 1, 0, 2 * S, later));
    });
    expect(steps).toEqual([
      ...["10 web-1 starting", "11 web-1 ready", "11.05 web-2 starting", "12.05 web-2 ready"],
      ...["20 web-2 terminating", "22 web-2 gone", "22.05 web-1 terminating", "24.05 web-1 gone"],
    ]);
  });

  test("of podManagementPolicy Parallel is scaled at once, and rolled out one by one", () => {
    const deployment = "podManagementPolicy: Parallel";
    const scaled = play({ replicas: 1, deployment }, (cluster, web, nowNs) => cluster.scale(web, 3, 0, 0, nowNs));
    expect(scaled).toEqual(["10 web-1 starting", "10 web-2 starting", "11 web-1 ready", "11 web-2 ready"]);
    expect(play({ replicas: 2, deployment }, rollOut).slice(0, 3)).toEqual([
      ...["10 web-1 terminating", "11.1 web-1 gone", "11.15 web-1 starting"],
    ]);
  });

  test("waits with minReadySeconds", () => {
    const deployment = "minReadySeconds: 5";
    expect(play({ replicas: 2, deployment }, rollOut)[4]).toBe("17.2 web-0 terminating");
  });

  test("has the pod of a drained node back there when that is uncordoned", () => {
    const steps = play({ replicas: 1 }, (cluster, _, nowNs) => {
      cluster.drain("node-1", { budgets: () => [], timeoutNs: Infinity }, 0, nowNs);
      cluster.at(30 * S, (later) => cluster.cordon("node-1", false, later));
    });
    expect(steps).toEqual(["10 web-0 terminating", "11.1 web-0 gone", "30.05 web-0 starting", "31.05 web-0 ready"]);
  });
});

describe("a DaemonSet that is rolled out on three nodes", () => {
  const play = (updates: string): { steps: string[]; history: History } => {
    const history = live(
      { kind: "DaemonSet", deployment: updates && `updateStrategy: ${updates}`, replicas: -1 },
      rollOut,
    );
    return { steps: told(history).filter((text) => text.includes("web")), history };
  };

  test("has one pod after the other end, and a new one when that is gone", () => {
    const { steps, history } = play("");
    expect(steps.slice(0, 5)).toEqual([
      ...["10 web-0 terminating", "11.1 web-0 gone", "11.15 web-3 starting", "12.15 web-3 ready"],
      "12.2 web-1 terminating",
    ]);
    expect(history.later.map(({ pod }) => pod.nodeName)).toEqual(["node-1", "node-2", "node-3"]);
    expect(history.later.map(({ like }) => like?.name)).toEqual(["web-0", "web-1", "web-2"]);
  });

  test("maxUnavailable 50%: two at a time", () => {
    const { steps } = play('{ rollingUpdate: { maxUnavailable: "50%" } }');
    expect(steps.slice(0, 2)).toEqual(["10 web-0 terminating", "10 web-1 terminating"]);
    expect(steps[2]).toBe("11.1 web-0 gone");
  });

  test("maxSurge 1: a new pod first, then the old one ends", () => {
    const { steps } = play("{ rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }");
    expect(steps.slice(0, 4)).toEqual([
      ...["10 web-3 starting", "11 web-3 ready", "11.05 web-0 terminating", "11.05 web-4 starting"],
    ]);
  });

  test("OnDelete: nothing happens", () => {
    expect(play("{ type: OnDelete }").steps).toEqual([]);
  });
});

describe("a drain under a PodDisruptionBudget", () => {
  const budget = { namespace: "default", name: "web", selector: { matchLabels: { app: "web" }, matchExpressions: [] } };
  const play = (wanted: Partial<DisruptionBudget>, timeoutNs = Infinity): [string[], string[]] => {
    const budgets = [{ ...budget, minAvailable: undefined, maxUnavailable: undefined, alwaysAllow: false, ...wanted }];
    const history = live({}, (cluster, web, nowNs) => {
      // Each node has two.
      cluster.scale(web, 6, 0, 0, nowNs);
      cluster.at(20 * S, (later) => cluster.drain("node-1", { budgets: () => budgets, timeoutNs }, 0, later));
    });
    const steps = told(history).filter((text) => text.includes("web") && text.endsWith("terminating"));
    return [steps, history.remarks];
  };

  test("evicts so many at once as may be missing, and tries the others again after five seconds", () => {
    expect(play({ maxUnavailable: 1 })).toEqual([["20 web-0 terminating", "25 web-4 terminating"], []]);
    expect(play({ minAvailable: 5 })).toEqual([["20 web-0 terminating", "25 web-4 terminating"], []]);
    // 4.8 of six, rounded up.
    expect(play({ minAvailable: "80%" })[0]).toEqual(["20 web-0 terminating", "25 web-4 terminating"]);
    expect(play({ maxUnavailable: 2 })[0]).toEqual(["20 web-0 terminating", "20 web-4 terminating"]);
  });

  test("never evicts what would break it, and says so", () => {
    const remark = (pod: string): string =>
      `pod default/${pod} was not evicted from node-1: it would break PodDisruptionBudget default/web`;
    expect(play({ minAvailable: "100%" })).toEqual([[], [remark("web-0"), remark("web-4")]]);
  });

  test("gives up when its time is over", () => {
    const [steps, remarks] = play({ maxUnavailable: 1 }, 4 * S);
    expect(steps).toEqual(["20 web-0 terminating"]);
    expect(remarks).toHaveLength(1);
  });

  test("of other pods or of another namespace does not matter", () => {
    expect(play({ minAvailable: 6, namespace: "shop" })[0]).toHaveLength(2);
    expect(play({ minAvailable: 6, selector: undefined })[0]).toHaveLength(2);
  });
});
