// Online Boutique with its own policies: exactly the application's calls come through, as far as the policies say.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { podwire, temporaryFolder } from "../tools/podwire.ts";
import { reach, verdicts, documents } from "./reach.ts";

const FOLDER = fileURLToPath(new URL("../../../shared/data/online-boutique/", import.meta.url));
const HERE = existsSync(FOLDER);
if (!HERE) console.warn("SKIPPED: Online Boutique's manifests are not here");
const read = (name: string): string => readFileSync(join(FOLDER, name), "utf8");

/** Who calls whom in the application, and on which port of the Service. */
const CALLS: Record<string, string[]> = {
  "adservice:9555": ["frontend"],
  "cartservice:7070": ["frontend", "checkoutservice"],
  "checkoutservice:5050": ["frontend"],
  "currencyservice:7000": ["frontend", "checkoutservice"],
  "emailservice:5000": ["checkoutservice"],
  "paymentservice:50051": ["checkoutservice"],
  "productcatalogservice:3550": ["frontend", "checkoutservice", "recommendationservice"],
  "recommendationservice:8080": ["frontend"],
  "redis-cart:6379": ["cartservice"],
  "shippingservice:50051": ["frontend", "checkoutservice"],
};
const APPS = [...new Set([...Object.keys(CALLS).map((name) => name.split(":")[0] ?? ""), "frontend", "loadgenerator"])];

describe.skipIf(!HERE)("Online Boutique", () => {
  test("the file of policies as it is, joined from files without a last line feed, is refused with the line and what to do", () => {
    const { status, stdout, stderr } = podwire("run", "--matrix", FOLDER, "--out", join(temporaryFolder(), "out"));
    expect({ status, stdout, stderr: stderr.replace(FOLDER, "") }).toEqual({
      status: 2,
      stdout: "",
      stderr:
        "podwire: network-policies.yaml:36: this is not YAML: --- should stand on a line of its own; files that end without a line feed should be joined with one between them\n",
    });
  });

  const policies = HERE ? read("network-policies.yaml").replace(/(\S)---$/gm, "$1\n---") : "";
  const manifests = HERE ? read("kubernetes-manifests.yaml") : "";

  test("with the missing line feeds put before each ---, its policies let through exactly the calls that the application makes", () => {
    const seen = reach(documents(manifests, policies), ({ to }) => to.startsWith("Service default/"));
    const wanted = Object.entries(CALLS).flatMap(([service, callers]) =>
      [...APPS, "kube-system/coredns"].map((app) => {
        const pod = app.includes("/") ? `${app}-0` : `default/${app}-0`;
        // A pod always reaches itself.
        const may = callers.includes(app) || service.startsWith(`${app}:`);
        return [`${pod} > Service default/${service}/TCP`, may ? "allowed" : "dropped"] as const;
      }),
    );
    expect(verdicts(seen)).toMatchObject(Object.fromEntries(wanted));
    const denied = [...seen.values()].filter(({ verdict }) => verdict === "dropped");
    for (const { to, by } of denied) {
      const [, app = ""] = /^Service default\/([^:]+)/.exec(to) ?? [];
      expect(by?.policies, to).toEqual([app, "deny-all"].map((name) => `default/${name}`).sort());
      expect(by?.rule, to).toContain(`ingress to default/${app}-0 denied by NetworkPolicy `);
    }
  });

  test("the policy of frontend lets everybody in, from outside too, and none keeps anybody from the DNS", () => {
    const seen = reach(documents(manifests, policies), ({ to }) => /frontend|kube-dns:53/.test(to));
    expect(new Set(Object.values(verdicts(seen)))).toEqual(new Set(["allowed"]));
    expect([...seen.keys()]).toContain("internet > load balancer default/frontend-external:80/TCP");
    expect([...seen.keys()]).toContain("default/loadgenerator-0 > Service default/frontend:80/TCP");
  });

  test("without policies everybody reaches everybody, and the table and its JSON are the same in every run", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "all.yaml"), manifests);
    const run = (out: string): { text: string; json: string; xml: string } => {
      const junit = join(folder, `${out}.xml`);
      const { status, stdout } = podwire(
        "run",
        "--matrix",
        join(folder, "all.yaml"),
        "--junit",
        junit,
        "--out",
        join(folder, out),
      );
      expect(status).toBe(0);
      return {
        text: stdout,
        json: readFileSync(join(folder, out, "matrix.json"), "utf8"),
        xml: readFileSync(junit, "utf8"),
      };
    };
    const one = run("one");
    expect(one.text).toContain("default: 15 sources, 35 targets, seed 1; 478 allowed ., 14 refused R\n");
    expect(one.text).toMatch(
      /^R refused by nobody's listening there: default\/frontend-0 > Service default\/kubernetes:443\/TCP; /m,
    );
    expect(one.xml).toContain('<testsuite name="default: reach" tests="492" failures="0">');
    expect(run("two")).toEqual(one);
  });
});
