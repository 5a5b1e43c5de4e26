// kube-proxy's modes beside each other: whatever programs the kernel, the same clients reach the same Services.
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { MatrixReport } from "../../src/report/matrix.ts";
import { documents, pod } from "../network-policy/reach.ts";
import { podwire, runInto, temporaryFolder } from "../tools/podwire.ts";

const MODES = ["iptables", "nftables", "ipvs"] as const;
const OTHERS = ["nftables", "ipvs"] as const;

// Which endpoint a connection gets is drawn at random, and how many there are decides how often; so latencies and servers may differ.
const EXAMPLES = [
  "shop",
  "load-balancer",
  "policies",
  "walks/01-localhost",
  "walks/02-same-node",
  "walks/03-two-nodes",
  "walks/04-service",
  "walks/05-egress",
  "walks/06-load-balancer",
  "walks/07-node-port",
  "walks/08-ingress",
  "mysteries/affinity-snat/fixed.yaml",
  "mysteries/hairpin/fixed.yaml",
  "mysteries/source-address/fixed.yaml",
  "mysteries/local-drain/fixed.yaml",
];

describe("every line of an example ends as in iptables mode", () => {
  test.each(EXAMPLES)("%s", (name) => {
    const [before, ...others] = MODES.map((mode) => {
      const { report } = runInto(temporaryFolder(), `examples/${name}`, "--proxy-mode", mode);
      return report.traffic.map(({ name, sent, delivered, refused, timedOut }) => ({
        name,
        sent,
        delivered,
        refused,
        timedOut,
      }));
    });
    for (const after of others) expect(after).toEqual(before);
  });
});

/** A Service over pods of `app`, with more fields of its spec. */
function service(name: string, app: string, spec: object = {}, status: object = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app }, ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec },
    status,
  });
}

const PORTS = [{ name: "http", containerPort: 8080 }];
const CLUSTER = documents(
  pod("default/one", "node-1", { app: "web" }, PORTS),
  pod("default/two", "node-2", { app: "web" }, PORTS),
  pod("default/far", "node-2", { app: "far" }, PORTS),
  pod("default/near", "node-1", { app: "near" }, []),
  service("plain", "web"),
  service("empty", "nobody"),
  service("sticky", "web", { sessionAffinity: "ClientIP" }),
  service("inside", "far", { internalTrafficPolicy: "Local" }),
  service("node", "far", { type: "NodePort" }),
  service("node-local", "far", { type: "NodePort", externalTrafficPolicy: "Local" }),
  service("node-empty", "nobody", { type: "NodePort" }),
  service("balanced", "web", { type: "LoadBalancer" }),
  service("balanced-local", "far", { type: "LoadBalancer", externalTrafficPolicy: "Local" }),
  service("balanced-empty", "nobody", { type: "LoadBalancer" }),
  service("ranged", "web", { type: "LoadBalancer", loadBalancerSourceRanges: ["203.0.113.0/30"] }),
);

test("who may call whom, and who is refused or dropped, is the same for every kind of Service", () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "cluster.yaml"), CLUSTER);
  const [before, nftables, ipvs] = MODES.map((mode) => {
    const out = join(folder, mode);
    const { status, stderr } = podwire("run", "--matrix", "--proxy-mode", mode, folder, "--out", out);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const { probes } = JSON.parse(readFileSync(join(out, "matrix.json"), "utf8")) as MatrixReport;
    return probes.map(({ from, to, verdict }) => `${from} > ${to}: ${verdict}`);
  });
  expect(nftables).toEqual(before);
  expect(new Set(before?.map((line) => line.replace(/.*: /, "")))).toEqual(new Set(["allowed", "refused", "dropped"]));
  // A virtual server without real servers says so to everybody, whatever policy has left it none.
  const refusing = before?.map((line) => line.replace(/(default\/inside:80\/TCP): dropped/, "$1: refused"));
  expect(ipvs).toEqual(refusing);
  expect(ipvs).not.toEqual(before);
});

test.each(OTHERS)("%s mode gives the same bytes with one worker and two", (mode) => {
  const [one, two] = ["1", "2"].map((workers) => {
    const args = ["examples/walks/04-service", "--proxy-mode", mode, "--workers", workers];
    const { folder, report } = runInto(temporaryFolder(), ...args);
    const rules = ["rules/node-1.v4", ...(mode === "nftables" ? ["rules/node-1.nft"] : [])];
    const files = [...report.captures.map(({ file }) => file), ...rules];
    return files.map((file) => readFileSync(join(folder, file)).toString("base64"));
  });
  expect(two).toEqual(one);
});

test("ipvs mode gives the same bytes whether packets are remembered by their flow or not", () => {
  const [on, off] = [
    ["--flow-cache", "on"],
    ["--flow-cache", "off"],
  ].map((flags) => {
    const args = ["examples/walks/07-node-port", "--proxy-mode", "ipvs", ...flags];
    const { folder, report } = runInto(temporaryFolder(), ...args);
    const files = [...report.captures.map(({ file }) => file), "rules/node-1.v4", "rules/node-2.v4"];
    return files.map((file) => readFileSync(join(folder, file)).toString("base64"));
  });
  expect(off).toEqual(on);
});

test("in ipvs mode a trace says what ip_vs does with a request, and with the answer", () => {
  const args = ["examples/walks/04-service", "--from", "default/client", "--to", "svc/near:80"];
  const { stdout } = podwire("trace", ...args, "--proxy-mode", "ipvs");
  const lines = stdout.split("\n").map((line) => line.trim());
  expect(lines).toContain("ipvs rr: the connection is given to 10.244.1.3:8080");
  expect(lines).toContain("destination rewritten 10.96.0.11:80 -> 10.244.1.3:8080");
  const { stdout: all } = podwire("trace", ...args, "--proxy-mode", "ipvs", "--all");
  expect(all).toContain("ipvs known connection: to 10.244.1.3:8080");
  expect(all).toContain("ipvs answer of a real server: goes out as 10.96.0.11:80");
});

test("a trace shows nft's chains and rules, and with --verbose those that did not match", () => {
  const args = ["examples/walks/04-service", "--from", "default/client", "--to", "svc/near:80"];
  const { stdout } = podwire("trace", ...args, "--proxy-mode", "nftables", "--verbose");
  const lines = stdout.split("\n").map((line) => line.trim());
  expect(lines).toContain("ip kube-proxy services 1 ip daddr . meta l4proto . th dport vmap @service-ips");
  expect(stdout).toMatch(
    /service-\S+ 1 no: ip saddr != 10\.244\.0\.0\/16 does not hold\n.*service-\S+ 2 numgen random mod 1 vmap/,
  );
  expect(stdout).toContain("destination rewritten 10.96.0.11:80 -> 10.244.1.3:8080");
});

test("in ipvs mode, too, a Service with affinity keeps each client at one endpoint", () => {
  const { report } = runInto(temporaryFolder(), "examples/mysteries/affinity-snat/fixed.yaml", "--proxy-mode", "ipvs");
  const counts = Object.values(report.traffic[0]?.backends ?? {});
  expect(counts.length).toBeGreaterThan(1);
  expect(counts.map((count) => count % 10)).toEqual(counts.map(() => 0));
});

test("endpoints that go and come in a timeline change nft's table, and connections follow", () => {
  const name = "mysteries/stale-udp/fixed.yaml";
  const [before, after] = MODES.slice(0, 2).map((mode) => {
    const { report, folder } = runInto(temporaryFolder(), `examples/${name}`, "--proxy-mode", mode);
    return { report, folder };
  });
  const outcome = ({ report }: NonNullable<typeof before>) =>
    report.traffic.map(({ name, sent, delivered }) => ({ name, sent, delivered }));
  expect(after && outcome(after)).toEqual(before && outcome(before));
});

test("in ipvs mode, too: the datagrams of a client whose server is gone find the other, but for those before kube-proxy hears of it", () => {
  const folder = temporaryFolder();
  for (const name of readdirSync("examples/mysteries/stale-udp"))
    copyFileSync(join("examples/mysteries/stale-udp", name), join(folder, name));
  const file = join(folder, "fixed.yaml");
  // rr gives the one client to the server that was added last.
  writeFileSync(file, readFileSync(file, "utf8").replaceAll("log-0", "log-1"));
  const { report } = runInto(temporaryFolder(), file, "--proxy-mode", "ipvs");
  const [line] = report.traffic;
  expect(Object.keys(line?.backends ?? {}).sort()).toEqual(["default/log-0", "default/log-1"]);
  expect(line?.timedOut).toBeLessThanOrEqual(2);
  expect((line?.delivered ?? 0) + (line?.timedOut ?? 0)).toBe(line?.sent);
});

test("in nftables mode, too, a Service with affinity keeps each client at one endpoint", () => {
  const { report } = runInto(
    temporaryFolder(),
    "examples/mysteries/affinity-snat/fixed.yaml",
    "--proxy-mode",
    "nftables",
  );
  // Eight clients call ten times each.
  const counts = Object.values(report.traffic[0]?.backends ?? {});
  expect(counts.length).toBeGreaterThan(1);
  expect(counts.map((count) => count % 10)).toEqual(counts.map(() => 0));
});

test("a trace names the rule of nft that refuses: that of a Service without endpoints, and of a port that no Service has", () => {
  const file = join(temporaryFolder(), "empty.yaml");
  writeFileSync(file, service("empty", "nobody", { clusterIP: "10.96.0.22" }));
  const endOf = (to: string): string | undefined =>
    podwire("trace", file, "--from", "node/node-1", "--to", to, "--proxy-mode", "nftables")
      .stdout.split("\n")
      .find((line) => line.startsWith("Refused"));
  expect(endOf("10.96.0.22:80")).toBe("Refused with ICMP in node-1 by ip kube-proxy reject-chain 1 (reject).");
  expect(endOf("10.96.0.22:81")).toBe(
    'Refused with ICMP in node-1 by ip kube-proxy cluster-ips-check 1 (ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs").',
  );
});
