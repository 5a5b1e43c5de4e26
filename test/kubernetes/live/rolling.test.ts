// A rolling update's arithmetic, with the cases of the Deployment controller's own tests (rolling_test.go, deployment_util_test.go).
import { describe, expect, test } from "vitest";
import { limitsOf, newReplicas, oldReplicas } from "../../../src/kubernetes/live/rolling.ts";

describe("limits", () => {
  test.each([
    ["25%", "25%", 4, { surge: 1, unavailable: 1 }],
    ["25%", "25%", 1, { surge: 1, unavailable: 0 }],
    ["25%", "25%", 10, { surge: 3, unavailable: 2 }],
    // Nothing could move: one may be missing.
    [0, "10%", 5, { surge: 0, unavailable: 1 }],
    [0, 0, 3, { surge: 0, unavailable: 1 }],
    ["100%", 0, 3, { surge: 3, unavailable: 0 }],
    [1, 5, 3, { surge: 1, unavailable: 3 }],
  ])("maxSurge %s, maxUnavailable %s of %i", (maxSurge, maxUnavailable, desired, expected) => {
    const limits = limitsOf({ type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } }, desired);
    expect(limits).toEqual({ desired, ...expected });
  });
});

describe("of 10 pods, the new ReplicaSet comes to", () => {
  test.each([
    [0, 10, 0, 0],
    [2, 10, 0, 2],
    [2, 5, 0, 7],
    [2, 10, 2, 2],
    [2, 2, 11, 10],
  ])("surge %i, %i old and %i new pods", (surge, old, fresh, expected) => {
    expect(newReplicas({ desired: 10, surge, unavailable: 0 }, fresh, old + fresh)).toBe(expected);
  });
});

describe("of 10 pods, the old ReplicaSet comes to", () => {
  test.each([
    // unavailable, old, available of them, new, available of them
    [0, 10, 10, 0, 0, 9],
    [2, 10, 10, 0, 0, 8],
    [2, 10, 8, 0, 0, 8],
    [2, 10, 9, 0, 0, 8],
    [2, 8, 8, 2, 0, 8],
    [2, 0, 0, 10, 10, 0],
  ])(
    "unavailable %i, %i old (%i available), %i new (%i available)",
    (unavailable, old, oldUp, fresh, freshUp, expected) => {
      const limits = { desired: 10, surge: 0, unavailable: unavailable === 0 ? 1 : unavailable };
      const counts = oldReplicas(limits, { replicas: fresh, available: freshUp }, [
        { replicas: old, available: oldUp },
      ]);
      expect(counts).toEqual([expected]);
    },
  );

  test("several of them: the oldest gives way first", () => {
    const old = [3, 4].map((replicas) => ({ replicas, available: replicas }));
    expect(oldReplicas({ desired: 10, surge: 0, unavailable: 5 }, { replicas: 3, available: 3 }, old)).toEqual([0, 2]);
  });
});
