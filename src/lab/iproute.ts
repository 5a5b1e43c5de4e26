// The steps `ip` and `bridge`: the words of those commands, as far as they add or set something in a case.
import * as R from "../../assembly/layout/records.ts";
import * as codes from "../../assembly/layout/codes.ts";
import type { Network } from "./build.ts";

/** The port flags that `bridge link set` turns on and off. */
const PORT_FLAGS: Readonly<Record<string, number>> = {
  hairpin: codes.PORT_HAIRPIN,
  isolated: codes.PORT_ISOLATED,
  learning: codes.PORT_LEARNING,
  flood: codes.PORT_FLOOD,
  mcast_flood: codes.PORT_MCAST_FLOOD,
  bcast_flood: codes.PORT_BCAST_FLOOD,
};

const ROUTE_TYPES = ["unicast", "blackhole", "unreachable", "prohibit"] as const;

type Refuse = (why: string) => never;
type Tool = (network: Network, ns: string, words: string[], refuse: Refuse) => void;

const TOOLS: Readonly<Record<string, Tool>> = {
  "ip link set": setLink,
  "ip address add": addAddress,
  "ip route add": addRoute,
  "ip rule add": (network, ns, words) => {
    network.addPolicy({ ns, rule: words.join(" ") });
  },
  "ip neighbour add": addNeighbour,
  "ip neighbour replace": addNeighbour,
  "bridge fdb add": addForwarding,
  "bridge fdb replace": addForwarding,
  "bridge link set": setPort,
};

/** What iproute2 lets one write shorter. */
const OBJECTS: Readonly<Record<string, string>> = {
  addr: "address",
  a: "address",
  r: "route",
  ro: "route",
  l: "link",
  neigh: "neighbour",
  neighbor: "neighbour",
  n: "neighbour",
};

/** `ip ARGS` or `bridge ARGS` in a namespace. Throws an InputError for what is not emulated, by name. */
export function runTool(network: Network, ns: string, command: "ip" | "bridge", args: string): void {
  const [object = "", verb = "", ...words] = args.trim().split(/\s+/);
  const name = `${command} ${OBJECTS[object] ?? object} ${verb}`;
  const tool = TOOLS[name];
  if (!tool) network.refuse(`${ns}: ${name} is not emulated yet; there are ${Object.keys(TOOLS).join(", ")}`);
  tool(network, ns, words, (why) => network.refuse(`${ns}: ${command} ${args}: ${why}`));
}

/** Words that come in pairs, `via 10.0.0.1`, by the first of each; `flags` stand alone. */
function pairs(words: readonly string[], known: readonly string[], flags: readonly string[], refuse: Refuse) {
  const found = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const value = words[i + 1];
    if (flags.includes(word)) found.set(word, word);
    else if (!known.includes(word)) refuse(`${word} is not emulated yet`);
    else if (value === undefined) refuse(`${word} should be followed by its value`);
    else {
      found.set(word, value);
      i++;
    }
  }
  return found;
}

function required(found: ReadonlyMap<string, string>, word: string, refuse: Refuse): string {
  return found.get(word) ?? refuse(`${word} is missing`);
}

/** `set [dev] NAME up|down|mtu N`. */
function setLink(network: Network, ns: string, words: string[], refuse: Refuse): void {
  const [name = "", ...rest] = words[0] === "dev" ? words.slice(1) : words;
  const found = pairs(rest, ["mtu"], ["up", "down"], refuse);
  const at = `${ns}:${name}`;
  const mtu = found.get("mtu");
  if (mtu !== undefined) {
    if (!/^\d+$/.test(mtu) || Number(mtu) < 68) refuse("mtu should be a number from 68");
    network.kernel.setWord(network.device(at) + R.DEV_MTU, Number(mtu));
  }
  if (found.has("up")) network.setLink(at, true);
  if (found.has("down")) network.setLink(at, false);
}

/** A bare address is the block that has it alone. */
function hostBlock(text: string): string {
  return text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
}

function addAddress(network: Network, ns: string, [cidr = "", ...words]: string[], refuse: Refuse): void {
  const found = pairs(words, ["dev"], [], refuse);
  network.addAddress(ns, required(found, "dev", refuse), hostBlock(cidr));
}

function addRoute(network: Network, ns: string, words: string[], refuse: Refuse): void {
  const type = ROUTE_TYPES.find((name) => name === words[0]) ?? "unicast";
  const [dst = "", ...rest] = type === words[0] ? words.slice(1) : words;
  const found = pairs(rest, ["via", "dev", "src", "metric", "table", "mtu"], ["onlink"], refuse);
  const mtu = found.get("mtu");
  network.addRoute({
    ns,
    dst: dst === "default" ? dst : hostBlock(dst),
    type,
    via: found.get("via"),
    dev: found.get("dev"),
    src: found.get("src"),
    metric: Number(found.get("metric") ?? 0),
    table: found.get("table"),
    mtu: mtu === undefined ? undefined : Number(mtu),
    onlink: found.has("onlink"),
  });
}

function addNeighbour(network: Network, ns: string, [ip = "", ...words]: string[], refuse: Refuse): void {
  const found = pairs(words, ["lladdr", "dev", "nud"], [], refuse);
  if ((found.get("nud") ?? "permanent") !== "permanent") refuse("nud other than permanent is not emulated yet");
  network.addNeighbour(ns, required(found, "dev", refuse), ip, required(found, "lladdr", refuse));
}

function addForwarding(network: Network, ns: string, [mac = "", ...words]: string[], refuse: Refuse): void {
  const found = pairs(words, ["dev"], ["master", "static", "permanent", "local", "dynamic"], refuse);
  const state = ["static", "dynamic", "local"].find((name) => found.has(name)) ?? "permanent";
  network.addForwarding(ns, required(found, "dev", refuse), mac, state);
}

/** `set dev NAME hairpin on ...`. */
function setPort(network: Network, ns: string, words: string[], refuse: Refuse): void {
  const found = pairs(words, ["dev", ...Object.keys(PORT_FLAGS)], [], refuse);
  const at = network.device(`${ns}:${required(found, "dev", refuse)}`) + R.DEV_PORT_FLAGS;
  for (const [name, value] of found) {
    const flag = PORT_FLAGS[name];
    if (flag === undefined) continue;
    if (value !== "on" && value !== "off") refuse(`${name} should be on or off`);
    const old = network.kernel.word(at);
    network.kernel.setWord(at, value === "on" ? old | flag : old & ~flag);
  }
}
