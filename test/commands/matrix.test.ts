// podwire run --matrix and expectations of reach: what is printed, written and returned.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { MatrixReport } from "../../src/report/matrix.ts";
import { documents, pod, policy } from "../network-policy/reach.ts";
import { podwire, temporaryFolder } from "../tools/podwire.ts";

const SERVICE = JSON.stringify({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "empty" },
  spec: { selector: { app: "nobody" }, ports: [{ name: "http", port: 80 }] },
});
const CLUSTER = documents(
  pod("default/web", "node-1", { app: "web" }, [
    { name: "http", containerPort: 8080 },
    { name: "dns", containerPort: 5353, protocol: "UDP" },
    { name: "sctp", containerPort: 7, protocol: "SCTP" },
  ]),
  pod("default/near", "node-1", { app: "near" }),
  SERVICE,
  policy("default/shut", {
    podSelector: { matchLabels: { app: "web" } },
    ingress: [{ ports: [{ port: "dns", protocol: "UDP" }] }],
  }),
);

function folderWith(expectations: string[] = []): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "cluster.yaml"), CLUSTER);
  const lines = expectations.map((one) => `    - {${one}}\n`).join("");
  writeFileSync(
    join(folder, "scenario.yaml"),
    `apiVersion: podwire.dev/v1alpha1\nkind: Scenario\nmetadata: {name: small}\nspec:\n  traffic: []\n  expect:${lines === "" ? " []\n" : `\n${lines}`}`,
  );
  return folder;
}

test("the table has a row for each target and a column for each source, and names what stopped each probe", () => {
  const folder = folderWith();
  const { status, stdout, stderr } = podwire("run", "--matrix", folder, "--out", join(folder, "out"));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const row = (name: string): string =>
    stdout
      .split("\n")
      .find((line) => line.includes(name))
      ?.replace(/[│ ]+/g, " ")
      .trim() ?? "";
  expect(row("1 default/web")).toBe(
    "1 default/web, 2 default/near, 3 kube-system/coredns-0, 4 kube-system/coredns-1, 5 internet",
  );
  expect(row("pod default/web:8080/TCP")).toBe("pod default/web:8080/TCP . X X X -");
  expect(row("pod default/web:5353/UDP")).toBe("pod default/web:5353/UDP . . . . -");
  expect(row("Service default/empty:80/TCP")).toBe("Service default/empty:80/TCP R R R R -");
  expect(stdout).not.toContain("7/SCTP");
  expect(stdout).toMatch(
    /^X dropped on node-1 in filter NETPOL-POD-IN-\w+ by ".*ingress to default\/web denied by NetworkPolicy default\/shut" -j DROP" \(NetworkPolicy default\/shut\): default\/near > pod default\/web:8080\/TCP; /m,
  );
  expect(stdout).toMatch(
    /^R refused on node-1 in filter KUBE-SERVICES by "-A KUBE-SERVICES .* --comment "default\/empty:http has no endpoints" .*-j REJECT .*" \(Service default\/empty:http\): default\/web > Service default\/empty:80\/TCP; /m,
  );
  const report = JSON.parse(readFileSync(join(folder, "out/matrix.json"), "utf8")) as MatrixReport;
  expect(
    report.probes.find(({ from, to }) => from === "default/near" && to === "pod default/web:8080/TCP"),
  ).toMatchObject({
    verdict: "dropped",
    by: { namespace: "node-1", table: "filter", policies: ["default/shut"], service: null },
    reasons: ["NETFILTER_DROP"],
  });
});

test("more refusals than a host may send ICMP errors about are still refusals", () => {
  const folder = temporaryFolder();
  const ports = Array.from({ length: 12 }, (_, i) => ({ name: `p${i}`, port: 1000 + i }));
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "empty" },
    spec: { selector: { app: "no" }, ports },
  };
  writeFileSync(join(folder, "a.yaml"), documents(pod("default/near", "node-1", {}), JSON.stringify(service)));
  const { stdout } = podwire("run", "--matrix", "--json", folder, "--out", join(folder, "out"));
  const { probes } = JSON.parse(stdout) as MatrixReport;
  const refused = probes.filter(({ from, to }) => from === "default/near" && to.startsWith("Service default/empty"));
  expect(refused.map(({ verdict }) => verdict)).toEqual(ports.map(() => "refused"));
});

test("--json prints what matrix.json holds, and --quiet nothing", () => {
  const folder = folderWith();
  const out = join(folder, "out");
  expect(podwire("run", "--matrix", "--json", folder, "--out", out).stdout).toBe(
    readFileSync(join(out, "matrix.json"), "utf8"),
  );
  expect(podwire("run", "--matrix", "--quiet", folder, "--out", out).stdout).toBe("");
});

test.each([[["--matrix"]], [[]]])(
  "an expectation of reach that fails ends a run with options %j with status 1, and is a failure in JUnit XML",
  (args: string[]) => {
    const folder = folderWith([
      "from: pod/near, to: pod/web:8080, is: allowed",
      "from: pod/near, to: {service: empty, port: http}, is: refused",
    ]);
    const junit = join(folder, "reach.xml");
    const { status, stdout } = podwire("run", ...args, folder, "--out", join(folder, "out"), "--junit", junit);
    expect(status).toBe(1);
    expect(stdout).toContain(
      "1 of 2 expectations hold\nFAILED default/near > pod default/web:8080/TCP: expected allowed, was dropped on node-1 in filter ",
    );
    const xml = readFileSync(junit, "utf8");
    expect(xml).toContain('<testsuite name="small: expectations" tests="2" failures="1">');
    expect(xml).toContain('name="default/near &gt; Service default/empty:80/TCP is refused"/>');
    expect(xml).toMatch(
      /<failure message="default\/near &gt; pod default\/web:8080\/TCP: expected allowed, was dropped on node-1 .*NetworkPolicy default\/shut\)"\/>/,
    );
  },
);

test.each([
  ["from: pod/near, to: pod/web:8080, is: open", "spec.expect[0].is: should be one of allowed, refused, dropped"],
  [
    "from: pod/ghost, to: pod/web:8080, is: allowed",
    "spec.expect[0].from.pod: there is no pod ghost with pods in namespace default; there are web, near",
  ],
  [
    "from: pod/near, to: svc/empty:81, is: allowed",
    "spec.expect[0].to.port: Service default/empty has no TCP port 81; there is http 80/TCP",
  ],
  ["from: pod/near, to: pod/web:8080", "spec.expect[0].is: should be one of allowed, refused, dropped"],
])("{%s} is a sentence with its place", (line, sentence) => {
  const folder = folderWith([line]);
  const { status, stderr } = podwire("run", folder, "--out", join(folder, "out"));
  expect({ status, stderr: stderr.replace(folder, "") }).toEqual({
    status: 2,
    stderr: `podwire: /scenario.yaml:7: ${sentence}\n`,
  });
});

test("a file for --junit that cannot be written is a sentence", () => {
  const folder = folderWith();
  const { status, stderr } = podwire(
    "run",
    "--matrix",
    folder,
    "--out",
    join(folder, "out"),
    "--junit",
    join(folder, "no/reach.xml"),
  );
  expect(status).toBe(2);
  expect(stderr).toContain("no/reach.xml cannot be written: its folder is not there; choose another");
});
