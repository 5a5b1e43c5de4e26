// A packet's walk as text: numbered steps under the namespaces that it passes, with the rules that it met.
import { styleText } from "node:util";
import { formatTime } from "../report/format.ts";
import type { ConnectionView, RuleView, Step } from "../seam/trace.ts";
import { endpoint, icmpWords, isIp, PROTOCOL_NAMES, tupleEnds } from "./packet.ts";
import type { End, Walk } from "./walks.ts";

/** Chooses whether text is coloured. */
export interface Style {
  color: boolean;
  /** Whether the ends of user chains are told. */
  verbose: boolean;
}

type Color = "bold" | "dim" | "green" | "red" | "cyan" | "yellow";

/** A walk, a line for each step; it ends with a line feed. */
export function renderWalk(walk: Walk, style: Style): string {
  const paint = (color: Color, text: string): string =>
    style.color ? styleText(color, text, { validateStream: false }) : text;
  const lines = [`packet ${walk.packet}: ${walk.summary}`];
  let namespace: string | undefined;
  let number = 0;
  for (const step of walk.steps) {
    if (step.namespace !== namespace) {
      namespace = step.namespace;
      lines.push("", paint("bold", namespace));
    }
    const { text, depth, color } = lineOf(step, style);
    if (text === undefined) continue;
    if (depth === 0) number++;
    const head = depth === 0 ? `${number}`.padStart(4) + " " : "       ";
    lines.push(color === undefined ? head + text : head + paint(color, text));
  }
  lines.push("", endLine(walk.end, paint));
  return `${lines.join("\n")}\n`;
}

/** A step in words. */
export interface StepLine {
  text: string | undefined;
  /** 0: a step of its own; 1: what happens within a hook. */
  depth: 0 | 1;
  color?: Color;
}

/** A step in words: those of a device begin with its name. */
export function lineOf(step: Step, style: Style): StepLine {
  switch (step.kind) {
    case "receive":
      return { text: `${label(step.device)}receives ${bytes(step)}`, depth: 0 };
    case "transmit":
      return { text: `${label(step.device)}sends ${bytes(step)} to ${step.view.macDestination}`, depth: 0 };
    case "bridge":
      return { text: `${label("bridge")}${bridgeText(step)}`, depth: 0 };
    case "hook":
      return { text: `${label(step.hook)}${hookText(step)}`, depth: 0, color: "cyan" };
    case "table":
      return { text: undefined, depth: 1 };
    case "rule":
      return { text: style.verbose || !isEnd(step.rule) ? ruleText(step.rule, step.passed) : undefined, depth: 1 };
    case "miss":
      return { text: `${ruleHead(step.rule)}no: ${step.failed} does not hold`, depth: 1, color: "dim" };
    case "tracked":
      return { text: `conntrack ${connectionText(step.connection)}`, depth: 1 };
    case "confirmed":
      return { text: `conntrack confirmed: ${entryText(step.connection)}`, depth: 1 };
    case "nat":
      return { text: natText(step), depth: 1, color: "yellow" };
    case "route":
      return { text: `${label("route")}${routeText(step)}`, depth: 0 };
    case "neighbour":
      return { text: `${label("neighbour")}${neighbourText(step)}`, depth: 0 };
    case "socket":
      return { text: `${label("socket")}${OWNER_TEXT[step.owner]}`, depth: 0, color: "green" };
    case "drop":
      return { text: `${label("drop")}${step.reason}`, depth: 0, color: "red" };
    case "answer":
      return {
        text: `${label("answer")}${icmpWords(step.view.network, step.type, step.code)} to its sender`,
        depth: 0,
      };
    case "ipvs":
      return { text: ipvsText(step), depth: 1, color: step.what === "nobody" ? "red" : "yellow" };
    case "balance":
      return { text: `${label("balance")}to ${step.server}, as it is`, depth: 0, color: "cyan" };
    case "reset":
      return { text: `${label("answer")}TCP RST to its sender`, depth: 0 };
  }
}

/** What ip_vs does, in words. */
export function ipvsText({ what, address, port, scheduler }: Extract<Step, { kind: "ipvs" }>): string {
  const place = `${address}:${port}`;
  switch (what) {
    case "scheduled":
      return `ipvs ${scheduler ?? ""}: the connection is given to ${place}`;
    case "kept":
      return `ipvs persistence: the connection is given to ${place}, as its client's last one was`;
    case "known":
      return `ipvs known connection: to ${place}`;
    case "reply":
      return `ipvs answer of a real server: goes out as ${place}`;
    case "nobody":
      return `ipvs ${place} has no real server: ICMP port unreachable`;
  }
}

const OWNER_TEXT: Readonly<Record<Extract<Step, { kind: "socket" }>["owner"], string>> = {
  service: "taken by the server that listens there",
  dns: "taken by the name server",
  client: "taken by the client that waits for it",
  echo: "taken by an echo server",
  sink: "taken by a listener that keeps silent",
  ingress: "taken by the ingress controller",
  check: "taken by the load balancer's health check",
  tunnel: "taken by the tunnel, which unpacks it",
  relay: "taken by the load balancer, which relays it",
  kernel: "taken by the kernel itself",
};

const LABEL = 12;

function label(text: string): string {
  return `${text.padEnd(LABEL)} `;
}

function bytes({ view }: Step): string {
  const { network } = view;
  const hops = { ipv4: "TTL", ipv6: "hop limit" };
  const ttl = isIp(network) ? `, ${hops[network.kind]} ${network.ttl}` : "";
  return `${view.length} bytes${ttl}`;
}

function bridgeText(step: Extract<Step, { kind: "bridge" }>): string {
  const from = step.from === undefined ? "" : `from ${step.from}: `;
  switch (step.decision) {
    case "up":
      return `${from}for the bridge's own interface`;
    case "forward":
      return `${from}${step.view.macDestination} is behind ${step.to ?? ""}`;
    case "flood":
      return `${from}${step.view.macDestination} is not known, or a group: out of every other port`;
    case "refused":
      return `${from}${step.view.macDestination} is behind ${step.to ?? ""}, which may not send it${step.from === step.to ? ": it came from there, and hairpin is off" : ""}`;
  }
}

function hookText({ input, output, view }: Extract<Step, { kind: "hook" }>): string {
  const parts = [
    input === undefined
      ? ""
      : `in ${input}${view.physIn === undefined || view.physIn === input ? "" : ` (port ${view.physIn})`}`,
    output === undefined
      ? ""
      : `out ${output}${view.physOut === undefined || view.physOut === output ? "" : ` (port ${view.physOut})`}`,
    view.mark === 0 ? "" : `mark 0x${view.mark.toString(16)}`,
  ];
  return parts.filter((part) => part !== "").join(", ");
}

/** The end of a user chain. */
function isEnd({ index, text }: RuleView): boolean {
  return index === "policy" && text === "RETURN";
}

function ruleHead({ table, chain, index }: RuleView): string {
  return `${table} ${chain} ${index} `;
}

function ruleText(rule: RuleView, passed: number): string {
  const before = passed === 0 ? "" : `   (after ${passed} that did not match)`;
  if (rule.index === "policy") {
    const what = rule.text === "RETURN" ? "its end: back" : `policy ${rule.text}`;
    return `${rule.table} ${rule.chain} ${what}${before}`;
  }
  return `${ruleHead(rule)}${rule.text.replace(/^-A \S+ /, "")}${before}`;
}

function connectionText(connection: ConnectionView | undefined): string {
  if (!connection) return "does not know it";
  const direction = connection.direction === "reply" ? ", reply direction" : "";
  return connection.entry ? `${connection.state}${direction}: ${entryText(connection)}` : connection.state;
}

/** `tcp 10.244.1.3:32768 > 10.96.12.9:7070, reply 10.244.2.4:7070 > 10.244.1.3:32768`. */
function entryText(connection: ConnectionView | undefined): string {
  const entry = connection?.entry;
  if (!entry) return "";
  const { protocol, original, reply } = entry;
  const state = entry.tcpState === undefined ? "" : ` ${entry.tcpState}`;
  const name = (PROTOCOL_NAMES[protocol] ?? `${protocol}`).toLowerCase();
  return `${name}${state} ${tupleEnds(original, protocol)}, reply ${tupleEnds(reply, protocol)}`;
}

function natText(step: Extract<Step, { kind: "nat" }>): string {
  const { network } = step.view;
  if (!isIp(network)) return "rewritten";
  const { before } = step;
  const moved = (was: string, is: string, wasPort: number, isPort: number | undefined): string | undefined => {
    if (was === is && (isPort === undefined || wasPort === isPort)) return undefined;
    return isPort === undefined ? `${was} -> ${is}` : `${endpoint(was, wasPort)} -> ${endpoint(is, isPort)}`;
  };
  const source = moved(before.source, network.source, before.sourcePort, network.sourcePort);
  const destination = moved(before.destination, network.destination, before.destinationPort, network.destinationPort);
  return [source && `source rewritten ${source}`, destination && `destination rewritten ${destination}`]
    .filter((part) => part !== undefined)
    .join(", ");
}

function routeText(step: Extract<Step, { kind: "route" }>): string {
  const { network } = step.view;
  const to = isIp(network) ? network.destination : "";
  if (step.type === "local" && step.device === undefined) return `${to} is an address of this host`;
  if (step.device === undefined) return step.type === "none" ? `${to}: there is none` : `${to}: ${step.type}`;
  const hop = step.nextHop === to ? "directly" : `by ${step.nextHop ?? ""}`;
  return `${to} ${hop}, out ${step.device}`;
}

function neighbourText({ address, device, state }: Extract<Step, { kind: "neighbour" }>): string {
  if (state === "known") return `${address} on ${device} is known`;
  return `${address} on ${device}: ${state === "asked" ? `asked by ${address.includes(":") ? "neighbour solicitation" : "ARP"}, and the packet waits` : "the packet waits with others"}`;
}

function endLine(end: End, paint: (color: Color, text: string) => string): string {
  return paint(end.kind === "delivered" ? "green" : "red", endText(end));
}

/** A sentence on how a walk ended. */
export function endText(end: End): string {
  switch (end.kind) {
    case "delivered":
      return `Delivered in ${end.namespace}: ${OWNER_TEXT[end.owner as keyof typeof OWNER_TEXT]}.`;
    case "lost":
      return "It was still on its way when the run ended.";
    case "dropped": {
      const by = end.rule
        ? ` by ${end.rule.index === "policy" ? `the policy of ${end.rule.table} ${end.rule.chain}` : `${ruleHead(end.rule)}(${end.rule.text})`}`
        : ` (${end.reason})`;
      return `${end.answered === undefined ? "Dropped" : `Refused with ${end.answered}`} in ${end.namespace}${by}.`;
    }
  }
}

/** A line for a packet that is not told in full: `+201 us  TCP SYN, ACK 10.96.12.9:7070 > 10.244.1.3:32768: delivered in default/web-0`. */
export function walkLine(walk: Walk, startNs: number): string {
  const [first] = walk.steps;
  const afterNs = (first?.timeNs ?? 0) - startNs;
  const after = afterNs < 0 ? `-${formatTime(-afterNs)}` : `+${formatTime(afterNs)}`;
  return `  packet ${walk.packet}, ${after}: ${walk.summary}. ${endText(walk.end)}`;
}
