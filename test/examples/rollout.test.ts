// The rollout in both positions: what comes of it, and the frames that show why.
import { describe, expect, test } from "vitest";
import { runExample } from "../tools/podwire.ts";
import { summary } from "../tools/summary.ts";

function resets(name: string): { report: ReturnType<typeof runExample>["report"]; lines: string[] } {
  const { report, capture } = runExample(name);
  const lines = capture.packets.map(({ bytes }) => summary(bytes)).filter((line) => / tcp R/.test(line));
  return { report, lines };
}

describe("a rollout under load", () => {
  test("abrupt: new pods refuse before they listen, old ones after they have stopped, and what goes to those that are gone times out", () => {
    const { report, lines } = resets("rollout/abrupt.yaml");
    expect(report.traffic[0]).toMatchObject({ sent: 3600, delivered: 3098, refused: 305, timedOut: 197 });
    expect(report.events).toMatchObject([
      {
        what: "rollout of deployment default/web",
        rulesAtNs: 5.1e9,
        refusedBy: { starting: 288, ending: 17 },
        failed: [{ traffic: "visits", refused: 305, unconnected: 197 }],
      },
    ]);
    expect(lines).toHaveLength(305);
    for (const line of lines) expect(line).toMatch(/^10\.96\.0\.11:80 > 10\.244\.1\.2:\d+ tcp R\.$/);
  });

  test("graceful: nothing is lost", () => {
    const { report, lines } = resets("rollout/graceful.yaml");
    expect(report.traffic[0]).toMatchObject({ sent: 3600, delivered: 3600 });
    expect(Object.keys(report.traffic[0]?.backends ?? {})).toHaveLength(8);
    expect(report.events[0]?.failed).toEqual([]);
    expect(lines).toEqual([]);
  });

  test("the graceful one applied over the abrupt one: the old pods still cost visits, the next rollout none", () => {
    const { report } = resets("rollout/apply.yaml");
    expect(report.traffic[0]).toMatchObject({ sent: 6000, delivered: 5803, refused: 20, timedOut: 177 });
    expect(report.events).toMatchObject([
      {
        what: "apply of web-graceful.yaml: Deployment default/web configured",
        failed: [{ traffic: "visits", refused: 20, unconnected: 177 }],
      },
      { what: "rollout of deployment default/web", failed: [] },
    ]);
  });
});
