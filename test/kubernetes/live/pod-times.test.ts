// When a pod is ready, and how it ends, by what its manifest says.
import { describe, expect, test } from "vitest";
import { podSchema } from "../../../src/kubernetes/pod-schema.ts";
import { endOf, startOf } from "../../../src/kubernetes/live/pod-times.ts";

const S = 1e9;

function spec(container: object, pod: object = {}) {
  const containers = [{ name: "web", image: "example/web:1", ...container }];
  return podSchema.parse({ apiVersion: "v1", kind: "Pod", metadata: { name: "web" }, spec: { containers, ...pod } })
    .spec;
}

describe("a container that runs at 10 s and listens 3 s later is ready", () => {
  const httpGet = { path: "/", port: 8080 };
  test.each([
    ["without a probe: at once", {}, 10],
    ["asked once a second", { readinessProbe: { httpGet, periodSeconds: 1 } }, 13],
    ["asked every ten seconds: not before the second question", { readinessProbe: { httpGet } }, 20],
    ["asked from the fifth second on", { readinessProbe: { httpGet, initialDelaySeconds: 5, periodSeconds: 2 } }, 15],
    ["that must answer three times", { readinessProbe: { httpGet, periodSeconds: 2, successThreshold: 3 } }, 18],
    ["asked for its start first", { startupProbe: { httpGet, periodSeconds: 4 } }, 14],
    [
      "and for its readiness as soon as that has answered",
      { startupProbe: { httpGet, periodSeconds: 4 }, readinessProbe: { httpGet } },
      14,
    ],
  ])("%s", (_, container, seconds) => {
    expect(startOf(spec(container), 10 * S, { startup: 3 * S })).toEqual({ listensNs: 13 * S, readyNs: seconds * S });
  });
});

describe("a pod deleted at 10 s, whose server takes 5 s to exit", () => {
  const preStop = (seconds: number) => ({ lifecycle: { preStop: { sleep: { seconds } } } });
  test.each([
    ["is told at once, and has its time", {}, {}, [10, 15, 15.1]],
    ["sleeps before it is told", preStop(8), {}, [18, 23, 23.1]],
    ["is killed when its grace period is over", preStop(8), { terminationGracePeriodSeconds: 10 }, [18, 20, 20.1]],
    ["has two seconds at least", preStop(8), { terminationGracePeriodSeconds: 8 }, [18, 20, 20.1]],
    ["sleeps no longer than its grace period", preStop(60), { terminationGracePeriodSeconds: 5 }, [15, 17, 17.1]],
    ["has no hook without a grace period", preStop(8), { terminationGracePeriodSeconds: 0 }, [10, 12, 12.1]],
    [
      "sleeps by a command",
      { lifecycle: { preStop: { exec: { command: ["/bin/sh", "-c", "nginx -s quit; sleep 4"] } } } },
      {},
      [14, 19, 19.1],
    ],
  ])("%s", (_, container, pod, seconds) => {
    const { stopsNs, exitsNs, goneNs } = endOf(spec(container, pod), 10 * S, { shutdown: 5 * S });
    expect([stopsNs, exitsNs, goneNs].map((ns) => ns / S)).toEqual(seconds);
  });
});
