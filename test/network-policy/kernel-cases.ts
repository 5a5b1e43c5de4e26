// Cases of policies for the live kernel, each with its own question.
import fc from "fast-check";
import { KernelCase, type Protocol } from "./kernel-case.ts";
import { documents, namespace, pod, podOf, policy, prepared } from "./reach.ts";
import { manifestsOf, world } from "./worlds.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

const PORTS = [
  { name: "http", containerPort: 8080 },
  { name: "sip", containerPort: 8081, protocol: "UDP" },
];
const WORLD = [
  namespace("shop", { team: "one" }),
  namespace("other", {}),
  pod("shop/web", "node-1", { app: "web" }, PORTS),
  pod("shop/db", "node-1", { app: "db" }, PORTS),
  pod("shop/far", "node-2", { app: "web" }, PORTS),
  pod("other/alien", "node-2", { app: "web" }, PORTS),
];
const PODS = ["shop/web", "shop/db", "shop/far", "other/alien"];

/** The addresses of pods, and of a Service's ports. */
function start(...policies: string[]) {
  const scenario = prepared(documents(...WORLD, ...policies));
  const made = new KernelCase(scenario);
  const ip = (path: string): string => podOf(scenario.cluster, path).podIP;
  return { scenario, made, ip };
}

/** Everybody calls everybody. */
function mesh(
  { made, ip }: ReturnType<typeof start>,
  calls: [Protocol, number][],
  pods: readonly string[] = PODS,
): void {
  for (const from of pods)
    for (const to of pods)
      if (from !== to) for (const [protocol, port] of calls) made.call(from, ip(to), protocol, port);
}

/** Random pods and policies, by the number of a seed. */
export function writeRandom(seed: number, folder: string): void {
  const [random] = fc.sample(world, { seed, numRuns: 1 });
  if (!random) throw new Error("there is no world");
  const scenario = prepared(manifestsOf(random));
  const made = new KernelCase(scenario);
  const pods = random.pods.map(({ at }, i) => `${at}/p${i}`);
  const ip = (path: string): string => podOf(scenario.cluster, path).podIP;
  mesh(
    { scenario, made, ip },
    [
      ["tcp", 8080],
      ["tcp", 8081],
      ["udp", 8081],
      ["icmp", 0],
    ],
    pods,
  );
  made.write(folder);
}

const DB = { podSelector: { matchLabels: { app: "db" } } };
const NODE_PORT = JSON.stringify({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "db", namespace: "shop" },
  spec: { type: "NodePort", selector: { app: "db" }, ports: [{ port: 80, targetPort: 8080, nodePort: 30080 }] },
});

export const CASES: Readonly<Record<string, (folder: string) => void>> = {
  /** Selectors of pods and namespaces, joined and apart, on one node and across two. */
  selectors: (folder) => {
    const world = start(
      policy("shop/db", {
        ...DB,
        ingress: [
          { from: [{ podSelector: { matchLabels: { app: "web" } } }], ports: [{ port: 8080 }] },
          {
            from: [{ namespaceSelector: { matchLabels: { team: "one" } }, podSelector: { matchLabels: { app: "x" } } }],
          },
        ],
      }),
      policy("other/out", { podSelector: {}, policyTypes: ["Egress"], egress: [{ to: [{ namespaceSelector: {} }] }] }),
    );
    mesh(world, [
      ["tcp", 8080],
      ["tcp", 8081],
    ]);
    world.made.write(folder);
  },
  /** Named ports, ranges of ports, a protocol alone, SCTP; ICMP is what no port lets through. */
  ports: (folder) => {
    const world = start(
      policy("shop/db", {
        ...DB,
        ingress: [
          { ports: [{ port: "http" }, { port: "sip", protocol: "UDP" }] },
          {
            from: [{ podSelector: {} }],
            ports: [
              { port: 9000, endPort: 9002 },
              { protocol: "SCTP", port: 5000 },
            ],
          },
        ],
      }),
    );
    for (const from of PODS.filter((path) => path !== "shop/db"))
      for (const [protocol, port] of [
        ...[8080, 8081, 8999, 9000, 9002, 9003].map((number) => ["tcp", number] as const),
        ...[8080, 8081].map((number) => ["udp", number] as const),
        ...[5000, 5001].map((number) => ["sctp", number] as const),
        ["icmp", 0] as const,
      ])
        world.made.call(from, world.ip("shop/db"), protocol, port);
    // The states of an association are not emulated.
    for (const ns of ["node-1", "node-2"]) world.made.steps.push({ op: "conntrack", ns, args: "-D -p sctp" });
    world.made.write(folder);
  },
  /** Blocks with exceptions; a node port's clients are the node that masquerades them, unless it hands them on where they came in. */
  blocks: (folder) => {
    const world = start(
      NODE_PORT,
      policy("shop/db", {
        ...DB,
        ingress: [{ from: [{ ipBlock: { cidr: "203.0.113.0/24", except: ["203.0.113.64/26"] } }] }],
      }),
      policy("shop/far", {
        podSelector: { matchLabels: { app: "web" } },
        policyTypes: ["Egress"],
        egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["198.51.100.0/24", "10.244.2.0/24"] } }] }],
      }),
    );
    const { made, ip, scenario } = world;
    const [near = "", far = ""] = scenario.cluster.nodes.map(({ address }) => address);
    for (const client of ["203.0.113.9", "203.0.113.70", "198.51.100.7"]) {
      made.call(client, ip("shop/db"), "tcp", 8080);
      // The policies are asked before the source is masqueraded on the pod's own node, and after it on another.
      made.call(client, near, "tcp", 30080, "node-1");
      made.call(client, far, "tcp", 30080, "node-2");
    }
    for (const to of ["198.51.100.7", "203.0.113.9"]) made.call("shop/web", to, "udp", 53);
    made.call("shop/web", ip("other/alien"), "tcp", 8080);
    made.write(folder);
  },
  /** A node always reaches its own pods; the other node, and so a pod on its network, is an address like any other. */
  nodes: (folder) => {
    const world = start(policy("shop/all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] }));
    const { made, ip, scenario } = world;
    const [near = "", far = ""] = scenario.cluster.nodes.map(({ address }) => address);
    // TCP comes last: what the node resets is forgotten ten seconds later, and a recording takes its time.
    for (const protocol of ["udp", "icmp", "tcp"] as const) {
      made.callFromNode("node-1", ip("shop/web"), protocol, 8080);
      made.callFromNode("node-2", ip("shop/web"), protocol, 8080, far);
      made.call("shop/web", near, protocol, 10250);
      made.call("shop/web", far, protocol, 10250);
      made.call("shop/web", ip("shop/db"), protocol, 8080);
    }
    made.write(folder);
  },
  /** Connections that are there when a policy comes go on; new ones do not, and nor does what their tables have forgotten. */
  later: (folder) => {
    const before = start();
    const after = start(policy("shop/all", { podSelector: {}, policyTypes: ["Ingress"] }));
    const { made, ip } = before;
    const near = made.call("shop/web", ip("shop/db"), "tcp", 8080);
    const far = made.call("other/alien", ip("shop/db"), "tcp", 8080);
    const datagrams = made.call("other/alien", ip("shop/db"), "udp", 8081);
    for (const place of [near, far]) made.more(place, "caller");
    const files: Record<string, string> = {};
    for (const { name, namespaces } of after.scenario.plan.machines.slice(0, 2)) {
      files[`${name}-later.v4`] = wholeText(namespaces[0]?.rules ?? "");
      made.steps.push({ op: "restore", ns: name, file: `${name}-later.v4`, flush: true });
    }
    for (const place of [near, far]) {
      made.more(place, "caller");
      made.more(place, "called");
    }
    made.more(datagrams, "caller");
    made.call("other/alien", ip("shop/db"), "tcp", 8080);
    made.call("shop/web", ip("shop/db"), "udp", 8081);
    made.steps.push({ op: "conntrack", ns: "node-1", args: "-D -p tcp" });
    made.more(far, "caller");
    made.write(folder, files);
  },
  /** The rules are there before the pod's link is: from its first frame on it is isolated. */
  first: (folder) => {
    const { made, ip } = start(policy("shop/db", { ...DB, policyTypes: ["Ingress", "Egress"] }));
    made.call("shop/web", ip("shop/db"), "tcp", 8080);
    made.steps.push({ op: "link", at: made.port("shop/db"), state: "up" });
    made.call("shop/web", ip("shop/db"), "tcp", 8080);
    made.call("shop/far", ip("shop/db"), "udp", 8081);
    made.call("shop/db", ip("shop/web"), "tcp", 8080);
    made.write(folder, {}, [made.port("shop/db")]);
  },
};
