// The rules and sets of policies as a case for the live kernel: two nodes on one network, their pods and a host outside played by one
// stub, and packets between them that are answered wherever they arrive.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PreparedScenario } from "../../src/scenario/prepare.ts";
import type { Machine } from "../../src/seam/machine.ts";
import { ethernet, ipv4, ping, tcp, udp } from "../kernel/craft.ts";
import { podOf } from "./reach.ts";
import { wholeText } from "../../src/iptables/rules-text.ts";

/** The host outside: the gateway of the nodes' network, and whoever is behind it. */
const OUTSIDE_MAC = "02:cc:00:00:00:01";
const SYSCTLS = ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.ipv4.conf.all.route_localnet"];

export type Protocol = "tcp" | "udp" | "sctp" | "icmp";

/** A step of a case in the oracle's words. */
export type Step = Record<string, unknown>;

/** The world of a scenario, for the steps of a case. */
export class KernelCase {
  readonly #scenario: PreparedScenario;
  readonly #nodes: Machine[];
  readonly steps: Step[] = [];
  #port = 20000;

  constructor(scenario: PreparedScenario) {
    this.#scenario = scenario;
    this.#nodes = scenario.plan.machines.slice(0, 2);
  }

  /** A first packet and its answer, from a pod, or from an address outside by way of a node, to an address. Returns its place. */
  call(from: string, to: string, protocol: Protocol, port: number, by = "node-1"): number {
    this.#port += 1;
    const pod = from.includes("/") ? podOf(this.#scenario.cluster, from) : undefined;
    const words = { from: pod?.podIP ?? from, to };
    const own = pod && this.#end(from);
    const target = own ? this.#nextHop(own.machine, to) : this.#card(by);
    const packet = packetOf(protocol, words, this.#port, port);
    const frame = ethernet(target, own ? own.mac : OUTSIDE_MAC, 0x0800, packet);
    return this.#add(
      {
        op: "inject",
        at: own ? `wire:${own.name}` : "wire:up",
        hex: hex(frame),
        about: `${from} to ${to} ${protocol} ${port}`,
      },
      protocol,
    );
  }

  /** The same from a node itself: a kubelet, or a pod on its node's network. */
  callFromNode(node: string, to: string, protocol: Protocol, port: number, source?: string): number {
    this.#port += 1;
    const machine = this.#machine(node);
    const gateway = machine.addresses.find(({ device }) => device === "vbr0")?.cidr.split("/")[0] ?? "";
    const from = source ?? gateway;
    const packet = packetOf(protocol, { from, to }, this.#port, port);
    return this.#add(
      { op: "local", ns: node, hex: hex(packet), about: `${node} to ${to} ${protocol} ${port}` },
      protocol,
    );
  }

  #add(step: Step, protocol: Protocol): number {
    const place = this.steps.push(step) - 1;
    const answer = protocol === "tcp" ? { flags: "SA", seq: 7000 + place } : { payload: "616e73776572" };
    if (protocol !== "sctp") this.steps.push({ op: "reply", to: { step: place, at: this.#stubs() }, with: answer });
    return place;
  }

  /** More data in a connection that a call began; of either side. */
  more(place: number, side: "caller" | "called"): void {
    const step = side === "called" ? place : place + 1;
    const data = { flags: "PA", payload: "6d6f7265" };
    this.steps.push({ op: "reply", to: { step, at: this.#stubs() }, with: data, about: "more" });
  }

  /** Writes the case; `files` are rule files for steps, by name. */
  write(folder: string, files: Readonly<Record<string, string>> = {}, down: readonly string[] = []): void {
    mkdirSync(join(folder, "rules"), { recursive: true });
    const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
    write("topology.json", `${JSON.stringify({ ...this.#topology(), down }, null, 1)}\n`);
    write("inject.json", `${JSON.stringify({ steps: this.steps }, null, 1)}\n`);
    for (const { namespaces } of this.#nodes) {
      const [root] = namespaces;
      if (root?.rules !== undefined) write(`rules/${root.name}.v4`, wholeText(root.rules));
      if (root?.sets !== undefined) write(`rules/${root.name}.ipset`, root.sets);
    }
    for (const [name, text] of Object.entries(files)) write(`rules/${name}`, text);
  }

  /** The device of a pod at its node: `node-1:veth...`. */
  port(pod: string): string {
    const { machine, device } = this.#end(pod);
    return `${machine.name}:${device}`;
  }

  #ends() {
    return this.#nodes.flatMap((machine) =>
      machine.veths.map(({ a, b }, i) => ({
        machine,
        pod: b.namespace,
        device: a.name,
        port: a,
        mac: b.mac,
        name: `${machine.name.replace("node-", "n")}p${i}`,
        address: machine.addresses.find(({ namespace }) => namespace === b.namespace)?.cidr.split("/")[0] ?? "",
      })),
    );
  }

  #end(pod: string) {
    const found = this.#ends().find((end) => end.pod === pod);
    if (!found) throw new Error(`pod ${pod} has no device`);
    return found;
  }

  #stubs(): string[] {
    return [...this.#ends().map(({ name }) => `wire:${name}`), "wire:up"];
  }

  #machine(node: string): Machine {
    const found = this.#nodes.find(({ name }) => name === node);
    if (!found) throw new Error(`there is no node ${node}`);
    return found;
  }

  #card(node: string): string {
    return this.#machine(node).wires[0]?.mac ?? "";
  }

  #nextHop(machine: Machine, to: string): string {
    const near = this.#ends().find((end) => end.machine === machine && end.address === to);
    return near?.mac ?? machine.bridges[0]?.mac ?? "";
  }

  #topology(): object {
    const ends = this.#ends();
    const cards = this.#nodes.map(({ name, wires }, i) => ({ ns: name, mac: wires[0]?.mac ?? "", port: `s${i}` }));
    const address = ({ name, addresses }: Machine): string =>
      addresses.find((one) => one.namespace === name && one.device === "eth0")?.cidr.split("/")[0] ?? "";
    const gateway = "192.168.0.1";
    const lan = (i: number): string => `02:dd:00:00:00:0${i}`;
    return {
      namespaces: [
        ...this.#nodes.map(({ name, namespaces }) => ({
          name,
          kind: "kernel",
          iptables: "legacy",
          sysctl: Object.fromEntries((namespaces[0]?.sysctls ?? []).filter(([key]) => SYSCTLS.includes(key))),
        })),
        { name: "lan", kind: "kernel" },
        { name: "wire", kind: "stub" },
      ],
      links: [
        ...ends.map(({ machine, device, port, name, mac }) => ({
          a: { ns: machine.name, if: device, mac: port.mac },
          b: { ns: "wire", if: name, mac },
        })),
        ...cards.map(({ ns, mac, port }, i) => ({
          a: { ns, if: "eth0", mac },
          b: { ns: "lan", if: port, mac: lan(i + 1), capture: false },
        })),
        { a: { ns: "lan", if: "s9", mac: lan(9), capture: false }, b: { ns: "wire", if: "up", mac: OUTSIDE_MAC } },
      ],
      bridges: [
        ...this.#nodes.map(({ name, bridges }) => ({
          ns: name,
          name: "vbr0",
          mac: bridges[0]?.mac ?? "",
          ports: ends
            .filter(({ machine }) => machine.name === name)
            .map(({ device, port }) => ({ if: device, hairpin: port.hairpin ?? false })),
        })),
        { ns: "lan", name: "sw0", mac: lan(8), ports: [...cards.map(({ port }) => port), "s9"] },
      ],
      addresses: this.#nodes.flatMap(({ name, addresses }) =>
        addresses
          .filter(({ namespace }) => namespace === name)
          .map(({ namespace, device, cidr }) => ({ ns: namespace, dev: device, cidr })),
      ),
      routes: this.#nodes.flatMap(({ name, routes }) =>
        routes
          .filter(({ namespace }) => namespace === name)
          .map(({ destination, via, device }) => ({
            ns: name,
            dst: destination === "0.0.0.0/0" ? "default" : destination,
            via,
            dev: device,
          })),
      ),
      neigh: this.#nodes.flatMap((machine) => [
        ...ends
          .filter((end) => end.machine === machine)
          .map((end) => ({ ns: machine.name, dev: "vbr0", ip: end.address, mac: end.mac })),
        { ns: machine.name, dev: "eth0", ip: gateway, mac: OUTSIDE_MAC },
        ...this.#nodes
          .filter((other) => other !== machine)
          .map((other) => ({ ns: machine.name, dev: "eth0", ip: address(other), mac: this.#card(other.name) })),
      ]),
      fdb: [
        ...ends.map(({ machine, device, mac }) => ({ ns: machine.name, dev: device, mac, state: "static" })),
        ...cards.map(({ port, mac }) => ({ ns: "lan", dev: port, mac, state: "static" })),
        { ns: "lan", dev: "s9", mac: OUTSIDE_MAC, state: "static" },
      ],
    };
  }
}

function packetOf(protocol: Protocol, words: { from: string; to: string }, source: number, port: number): Uint8Array {
  if (protocol === "tcp") return tcp(words, [source, port], { flags: "S", seq: source * 7 });
  if (protocol === "udp") return udp(words, [source, port]);
  return protocol === "icmp" ? ping(words, source, 1) : ipv4(words, 132, sctpInit(source, port));
}

/** An INIT chunk with its checksum (RFC 9260). */
function sctpInit(source: number, port: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, source);
  view.setUint16(2, port);
  bytes.set([1, 0, 0, 20], 12);
  view.setUint32(16, 0x11223344);
  view.setUint32(20, 65536);
  view.setUint16(24, 1);
  view.setUint16(26, 1);
  view.setUint32(28, 1);
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
