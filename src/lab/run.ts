// Plays a case in a kernel of its own: builds the network, takes the steps one after the other in virtual time, and writes down
// every frame at every interface.
import * as R from "../../assembly/layout/records.ts";
import { parseMac } from "../address.ts";
import { addSets, numberSets } from "../engine/sets.ts";
import { parseSets } from "../iptables/ipset.ts";
import { NameTable } from "../iptables/names.ts";
import { Kernel, MATCHERS } from "../kernel/kernel.ts";
import { newMemory } from "../kernel/load.ts";
import { tcpExt } from "../kernel/netstat.ts";
import { Network } from "./build.ts";
import type { Case } from "./case.ts";
import { fixChoices } from "./choices.ts";
import { numberOf, shareAddresses } from "./family.ts";
import { fateOf, type Fate } from "./fate.ts";
import { deleteConnections } from "./conntrack-tool.ts";
import { runTool } from "./iproute.ts";
import type { Recording, Row } from "./recording.ts";
import { replyTo, type Answerable } from "./reply.ts";
import { NamespaceRules, type CounterTables } from "./rules.ts";
import type { Step } from "./schema.ts";
import { asRecorderReads } from "./shared-fragments.ts";
import { hexOf, inject, sendLocal, type NewRow } from "./send.ts";
import { conntrackLines, fdb, type FdbEntry } from "./state.ts";
import { Tape } from "./tape.ts";

export interface LabResult {
  rows: Row[];
  /** By namespace that has rules; `NS.v6`: those of ip6tables. */
  counters: Record<string, CounterTables>;
  /** By namespace of kind kernel: lines of /proc/net/nf_conntrack. */
  conntrack: Record<string, string[]>;
  /** By namespace of kind kernel: what its listeners have counted, by the names of TcpExt; no zeros. */
  tcpExt: Record<string, Record<string, number>>;
  /** By namespace with a bridge. */
  fdb: Record<string, FdbEntry[]>;
  /** With `watch`: what became of the first packet of each step in that namespace, and its rules as `iptables-save -c` prints them. */
  fates: Fate[];
  saved: string;
}

export interface LabOptions {
  /** A namespace whose packets are watched; then steps follow each other at the times of their frames exactly. */
  watch?: string | undefined;
  /** A recording to follow: its injected frames, and what its kernel chose at random. */
  recording?: Recording | undefined;
  /** An open pcapng file whose head describes the interfaces of `capturedInterfaces`, in order. */
  pcapng?: number | undefined;
  /** Whether frames may take the way that the last one like them took; nothing in the result depends on it. Default: yes. */
  flowCache?: boolean | undefined;
  /** See RunOptions. */
  matcher?: "index" | "linear" | undefined;
}

/** The interfaces that a case captures, `namespace:interface`: those that it lists, or every end, bridge and tunnel. */
export function capturedInterfaces({ topology }: Case): string[] {
  if (topology.capture) return topology.capture;
  const ends = topology.links.flatMap(({ a, b }) => [a, b]);
  return [
    ...ends.filter(({ capture }) => capture).map((end) => `${end.ns}:${end.if}`),
    ...topology.vxlan.filter(({ capture }) => capture).map(({ ns, name }) => `${ns}:${name}`),
    ...topology.bridges.filter(({ capture }) => capture).map(({ ns, name }) => `${ns}:${name}`),
  ];
}

/** Plays a case from beginning to end. Throws an InputError for what it asks and the kernel does not have. */
export function runLab(lab: Case, module: WebAssembly.Module, options: LabOptions = {}): LabResult {
  return new Player(lab, module, options).play();
}

class Player {
  readonly #case: Case;
  readonly #kernel: Kernel;
  readonly #network: Network;
  readonly #recording: Recording | undefined;
  readonly #rules = new Map<string, NamespaceRules>();
  readonly #tape: Tape;
  readonly #rows: Row[] = [];
  readonly #watched: string | undefined;
  readonly #fates: Fate[] = [];

  constructor(lab: Case, module: WebAssembly.Module, options: LabOptions) {
    const { recording, pcapng, flowCache, matcher, watch } = options;
    this.#watched = watch;
    this.#case = lab;
    this.#recording = recording;
    this.#kernel = new Kernel(module, newMemory());
    this.#kernel.calls.start(0, 0, lab.topology.namespaces.length);
    this.#kernel.calls.setMatcher(MATCHERS[matcher ?? "index"]);
    this.#kernel.calls.setFlowCache(flowCache === false ? 0 : 1);
    const named = [lab.topology, lab.script, recording?.choices ?? []].map((value) => JSON.stringify(value));
    shareAddresses(this.#kernel, [...named, ...lab.rules.values()]);
    this.#network = new Network(this.#kernel, lab);
    this.#tape = new Tape(this.#network, capturedInterfaces(lab), pcapng);
    this.#loadRules();
    this.#listen();
  }

  play(): LabResult {
    const { script } = this.#case;
    this.#tape.settle(script.quiet_ms, 0);
    this.#tape.collect();
    script.steps.forEach((step, i) => this.#play(step, i));
    this.#tape.finish();
    const kernels = this.#case.topology.namespaces.filter(({ kind }) => kind === "kernel");
    return {
      rows: this.#rows,
      counters: Object.fromEntries([...this.#rules].map(([name, rules]) => [name, rules.counters()])),
      tcpExt: Object.fromEntries(
        kernels.map(({ name }) => {
          const counts = [...tcpExt(this.#kernel, this.#network.namespace(name))];
          return [name, Object.fromEntries(counts.filter(([, count]) => count > 0))];
        }),
      ),
      conntrack: Object.fromEntries(
        kernels.map(({ name }) => [name, conntrackLines(this.#kernel, this.#network.namespace(name), this.#tape.now)]),
      ),
      fdb: fdb(this.#network, this.#tape.now),
      fates: this.#fates,
      saved: this.#rules.get(this.#watched ?? "")?.print() ?? "",
    };
  }

  #loadRules(): void {
    const names = new NameTable((address) => this.#kernel.addressNumber6(address));
    for (const { name, iptables } of this.#case.topology.namespaces) {
      const ns = this.#network.namespace(name);
      const file = `${this.#case.path}/rules/${name}`;
      const sets = parseSets(this.#case.rules.get(`${name}.ipset`) ?? "", `${file}.ipset`);
      addSets(this.#kernel, ns, numberSets(sets, names));
      const setNames = new Set(sets.map((set) => set.name));
      for (const [family, ending, key] of [
        ["ipv4", "v4", name],
        ["ipv6", "v6", `${name}.v6`],
      ] as const) {
        const text = this.#case.rules.get(`${name}.${ending}`);
        if (text === undefined) continue;
        const owner = { ns, backend: iptables, family, sets: setNames, replayed: this.#recording !== undefined };
        const rules = new NamespaceRules(this.#kernel, owner, names);
        rules.restore(text, `${file}.${ending}`, true);
        this.#rules.set(key, rules);
      }
    }
  }

  #listen(): void {
    for (const { name, listen } of this.#case.topology.namespaces) {
      for (const { proto, port, addr, echo, backlog, accept, take } of listen) {
        const ns = this.#network.namespace(name);
        const address = addr === undefined || addr === "::" ? 0 : (numberOf(this.#kernel, addr) ?? 0);
        const program = !accept ? "stopped" : take !== undefined ? "taker" : echo ? "echo" : "sink";
        const error = this.#kernel.listen(ns, proto, address, port, program, take ?? 0, backlog);
        if (error !== undefined) this.#network.refuse(`${name}: listening on ${proto} port ${port}: ${error}`);
      }
    }
  }

  #play(step: Step, number: number): void {
    const startNs = this.#tape.now;
    const watched = this.#watched;
    const first = watched === undefined ? 0 : this.#kernel.calls.setTrace(1, 0) >>> 0;
    const injected = this.#begin(step, number);
    const quietMs = step.quiet_ms ?? this.#case.script.quiet_ms;
    this.#tape.settle(quietMs, step.op === "wait" ? step.ms : step.wait_ms, watched === undefined ? undefined : 0);
    if (watched !== undefined) this.#fates.push(fateOf(this.#network, watched, this.#rules.get(watched), first));
    const began = this.#rows.length;
    const add = (row: NewRow): void => {
      this.#rows.push({ step: number, n: this.#rows.length - began, ...row });
    };
    if (injected) add(injected);
    const frames = this.#tape.collect().map(({ at, dir, bytes, atNs }): NewRow => {
      return { at, dir, us: Math.floor((atNs - startNs) / 1000), hex: hexOf(bytes) };
    });
    // The interface that sends an injected frame sees it first; the row above stands for that.
    const own = frames.findIndex(({ at, dir, hex }) => dir === "out" && at === injected?.at && hex === injected.hex);
    if (injected?.dir === "out" && own >= 0) frames.splice(own, 1);
    const tracks = (name: string): boolean => this.#kernel.word(this.#network.namespace(name) + R.NS_TRACKING) !== 0;
    const read = this.#recording?.copied === false ? asRecorderReads(frames, tracks) : frames;
    read.forEach(add);
  }

  /** Does what a step says; returns the row of the frame that it sends, if any. */
  #begin(step: Step, number: number): NewRow | undefined {
    const network = this.#network;
    const { now } = this.#tape;
    if (this.#recording) fixChoices(network, this.#rules, this.#recording, number, `${this.#case.path}/choices.jsonl`);
    this.#kernel.calls.setTime(now);
    switch (step.op) {
      case "inject":
        return inject(network, step.at, this.#bytesOf(step), now);
      case "local":
        return sendLocal(network, step.ns, Buffer.from(step.hex, "hex"), now);
      case "reply": {
        const recording = this.#recording;
        const row = recording?.rows.find((candidate) => candidate.step === number && candidate.inj);
        const reply = recording
          ? row && { at: row.at, bytes: Buffer.from(row.hex, "hex") }
          : replyTo(step, number, this.#answerable());
        return reply && inject(network, reply.at, reply.bytes, now);
      }
      case "link":
        this.#network.setLink(step.at, step.state === "up");
        return undefined;
      case "sysctl":
        this.#network.setSysctl(step.ns, step.key, step.value);
        return undefined;
      case "restore": {
        const text = this.#case.rules.get(step.file);
        const rules = this.#rules.get(step.file.endsWith(".v6") ? `${step.ns}.v6` : step.ns);
        if (text === undefined || !rules) this.#network.refuse(`there are no rules ${step.file} for ${step.ns}`);
        rules.restore(text, `${this.#case.path}/rules/${step.file}`, step.flush);
        return undefined;
      }
      case "conntrack":
        deleteConnections(this.#network, step.ns, step.args);
        return undefined;
      case "wait":
        return undefined;
      case "connect":
        this.#connect(step);
        return undefined;
      case "ip":
      case "bridge":
        runTool(network, step.ns, step.op, step.args);
        return undefined;
    }
  }

  /** A client that reads what comes, never answers and never closes. */
  #connect({ ns, to, port, from }: Extract<Step, { op: "connect" }>): void {
    const began = this.#kernel.calls.connectFrom(
      this.#network.namespace(ns),
      numberOf(this.#kernel, to) ?? 0,
      port,
      from,
    );
    if (!began) this.#network.refuse(`${ns}: no connection from port ${from} to ${to} can begin`);
  }

  #bytesOf(step: Extract<Step, { op: "inject" }>): Uint8Array {
    if ("hex" in step) return Buffer.from(step.hex, "hex");
    const found = this.#case.frames[step.pcap];
    if (!found) this.#network.refuse(`inject.pcap has ${this.#case.frames.length} frames, none of number ${step.pcap}`);
    return found.bytes;
  }

  #answerable(): Answerable {
    const { namespaces, links } = this.#case.topology;
    const stubs = new Set(namespaces.filter(({ kind }) => kind === "stub").map(({ name }) => name));
    const ends = links.flatMap(({ a, b }) => [a, b]);
    const macs = new Map(ends.map((end) => [`${end.ns}:${end.if}`, parseMac(end.mac)]));
    return { rows: this.#rows, isStub: (name) => stubs.has(name), macOf: (at) => macs.get(at) };
  }
}
