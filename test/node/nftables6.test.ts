// kube-proxy's table of IPv6 in nftables mode at work: by the ends of calls, the rules that a trace tells, and the frames of a run.
import { describe, expect, test } from "vitest";
import { frame6 } from "../tools/six.ts";
import { podwire } from "../tools/podwire.ts";
import { ended, play, podOn, serviceOf, type Played } from "./play.ts";
import { judgeSame } from "./same.ts";

const PORTS = "ports: [{name: t, port: 80, targetPort: 8080, nodePort: 30080}]";
const WEB = [
  podOn("node-1", "web", 8080),
  podOn("node-2", "client", 9),
  podOn("node-3", "two", 8080).replace("app: two", "app: web"),
];

function scenario(lines: string, more = "", ipFamily = "dual"): string {
  return `  duration: 2s\n  cluster: {ipFamily: ${ipFamily}, proxyMode: nftables}\n  traffic: [${lines}]\n${more}`;
}

function line(to: string, from = "{pod: client}", more = ""): string {
  return `{name: calls, from: ${from}, to: ${to}, protocol: tcp, rate: 50/s, stop: 800ms, timeout: 200ms${more}}`;
}

function web(spec = ""): string {
  return serviceOf("web", `type: LoadBalancer, selector: {app: web}, ipFamilies: [IPv6], ${spec}${PORTS}`);
}

/** The pods that were called, with how often. */
function called(played: Played): [web: number, two: number] {
  const count = (pod: string): number =>
    played.capture.packets
      .filter(({ device, direction }) => device === `default/${pod}/eth0` && direction === "inbound")
      .filter(({ bytes }) => frame6(bytes)?.what === "tcp S").length;
  return [count("web"), count("two")];
}

describe.each(["dual", "ipv6"])("in a cluster with ipFamily %s", (ipFamily) => {
  test.each([
    ["a cluster IP", "{service: web, by: clusterIP, family: ipv6}", "{pod: client}"],
    ["a node port", "{nodePort: web, family: ipv6}", "internet"],
    ["a load balancer", "{loadBalancer: web, family: ipv6}", "internet"],
    ["a load balancer from inside", "{loadBalancer: web, family: ipv6}", "{pod: client}"],
  ])("%s leads to the pods, each in about half of the cases", async (_, to, from) => {
    const played = await play(scenario(line(to, from), "", ipFamily), [...WEB, web()]);
    expect(ended(played, "calls")).toBe("delivered 40");
    const [one, two] = called(played);
    expect(one + two).toBe(40);
    expect(Math.abs(one - two)).toBeLessThan(20);
  });
});

test("with affinity a client keeps its pod, as the set that a rule adds to has it", async () => {
  const to = "{service: web, by: clusterIP, family: ipv6}";
  const played = await play(scenario(line(to)), [...WEB, web("sessionAffinity: ClientIP, ")]);
  expect(ended(played, "calls")).toBe("delivered 40");
  expect(called(played).sort((a, b) => a - b)).toEqual([0, 40]);
});

test.each([
  ["2001:db8:0:a::/64", "delivered 40"],
  ["2001:db8:0:a::/80, fd99::/16, 2001:db8:7::1/128", "delivered 40"],
  ["fd99::/16, 2001:db8:0:b::/64, 2001:db8:0:9::/64", "timed out 40"],
  ["2001:db8:0:a:8000::/65, 2001:db8:0:9::/64", "timed out 40"],
])("of the source ranges %s an outside client's calls are %s", async (ranges, end) => {
  const spec = `loadBalancerSourceRanges: [${ranges
    .split(", ")
    .map((range) => `"${range}"`)
    .join(", ")}], `;
  const played = await play(scenario(line("{loadBalancer: web, family: ipv6}", "internet")), [...WEB, web(spec)]);
  expect(ended(played, "calls")).toBe(end);
});

test("a Service without endpoints is refused by ICMPv6, an address that no Service has is met with silence", async () => {
  const few = ", stop: 60ms";
  const lines = [
    line("{service: none, by: clusterIP, family: ipv6}", "{pod: client}", few),
    line('{host: "fd00:10:96::99", port: 80}', "{pod: client}", few).replace("calls", "nobody"),
    line('{host: "fd00:10:96::b", port: 81}', "{pod: client}", few).replace("calls", "port"),
  ].map((text) => text.replace("stop: 800ms, ", ""));
  const none = serviceOf("none", "selector: {app: nobody}, ipFamilies: [IPv6], ports: [{port: 80}]");
  const played = await play(scenario(lines.join(", ")), [...WEB, web(), none]);
  expect(ended(played, "calls")).toBe("refused 3");
  expect(ended(played, "nobody")).toBe("timed out 3");
  expect(ended(played, "port")).toBe("refused 3");
});

test("a pod that goes leaves the table while the cluster runs", async () => {
  const timeline = "  timeline: [{at: 400ms, delete: pod/two}]\n";
  const to = "{service: web, by: clusterIP, family: ipv6}";
  const played = await play(
    scenario(line(to, "{pod: client}", ", start: 1600ms, stop: 1900ms").replace("stop: 800ms, ", ""), timeline),
    [...WEB, web()],
  );
  expect(ended(played, "calls")).toBe("delivered 15");
  expect(called(played)).toEqual([15, 0]);
});

describe("the same scenario", () => {
  const manifests = [...WEB, web("sessionAffinity: ClientIP, externalTrafficPolicy: Local, ")];
  const text = scenario(line("{loadBalancer: web, family: ipv6}", "internet", ", start: 50ms"));
  judgeSame(text, manifests, 300);
});

test("a trace tells the rules of the table in nft's words, and what of them did not hold", () => {
  const { stdout } = podwire(
    "trace",
    "examples/dual-stack",
    ...["--proxy-mode", "nftables", "--from", "deployment/web", "--to", "svc/api:80", "--verbose"],
  );
  const lines = stdout.split("\n").map((text) => text.trim().replace(/-[0-9A-Z]{8}-/g, "-HASH-"));
  expect(lines.filter((text) => text.startsWith("ip6 kube-proxy service"))).toContain(
    "ip6 kube-proxy service-HASH-default/api/tcp/http 1 no: ip6 saddr != fd00:10:244::/56 does not hold",
  );
  expect(lines).toContain("ip6 kube-proxy services 1 ip6 daddr . meta l4proto . th dport vmap @service-ips");
  expect(stdout).toMatch(/ip6 kube-proxy endpoint-\S+ 2 meta l4proto tcp dnat to \[fd00:10:244:\d::\d\]:8080/);
});

test("podwire rules prints the tables of both families", () => {
  const { stdout } = podwire("rules", "examples/dual-stack", "--format", "nft", "--node", "node-2");
  expect(stdout.match(/^table .*/gm)).toEqual(["table ip kube-proxy {", "table ip6 kube-proxy {"]);
  expect(stdout).toContain("ip6 daddr fd00:10:96::/112 drop");
});
