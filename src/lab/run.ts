// Plays a case in a kernel of its own: builds the network, takes the steps one after the other in virtual time, and writes down
// every frame at every interface.
import { FRAME_CAPACITY } from "../../assembly/layout/frame.ts";
import * as R from "../../assembly/layout/records.ts";
import { parseIpv4 } from "../address.ts";
import { CaptureWriter, newFileRecords } from "../engine/capture-writer.ts";
import { addSets, numberSets } from "../engine/sets.ts";
import { parseSets } from "../iptables/ipset.ts";
import { NameTable } from "../iptables/names.ts";
import { Kernel, type Handle } from "../kernel/kernel.ts";
import { newMemory } from "../kernel/load.ts";
import { Network } from "./build.ts";
import type { Case } from "./case.ts";
import { chosenSequences, type Choice, type Recording, type Row } from "./recording.ts";
import { NamespaceRules, type CounterTables } from "./rules.ts";
import { deleteConnections } from "./conntrack-tool.ts";
import type { Step } from "./schema.ts";
import { conntrackLines, fdb, type FdbEntry } from "./state.ts";

export interface LabResult {
  rows: Row[];
  /** By namespace that has rules. */
  counters: Record<string, CounterTables>;
  /** By namespace of kind kernel: lines of /proc/net/nf_conntrack. */
  conntrack: Record<string, string[]>;
  /** By namespace with a bridge. */
  fdb: Record<string, FdbEntry[]>;
}

export interface LabOptions {
  /** A recording to follow: its injected frames, and what its kernel chose at random. */
  recording?: Recording | undefined;
  /** An open pcapng file whose head describes the interfaces of `capturedInterfaces`, in order. */
  pcapng?: number | undefined;
}

/** The interfaces that a case captures, `namespace:interface`: those that it lists, or every end, bridge and tunnel. */
export function capturedInterfaces({ topology }: Case): string[] {
  if (topology.capture) return topology.capture;
  const ends = topology.links.flatMap(({ a, b }) => [a, b]);
  return [
    ...ends.filter(({ capture }) => capture).map((end) => `${end.ns}:${end.if}`),
    ...topology.bridges.filter(({ capture }) => capture).map(({ ns, name }) => `${ns}:${name}`),
  ];
}

/** Plays a case from beginning to end. Throws an InputError for what it asks and the kernel does not have. */
export function runLab(lab: Case, module: WebAssembly.Module, options: LabOptions = {}): LabResult {
  return new Player(lab, module, options).play();
}

const MILLISECOND = 1e6;
const MOST_MS = 3000;
/** What a step takes besides waiting, as on a real machine: so a limit of just so many milliseconds is over. */
const STEP_NS = 0.5 * MILLISECOND;

class Player {
  readonly #case: Case;
  readonly #kernel: Kernel;
  readonly #network: Network;
  readonly #recording: Recording | undefined;
  readonly #rules = new Map<string, NamespaceRules>();
  readonly #captured: string[];
  readonly #sinks = new Map<Handle, string>();
  readonly #writer: CaptureWriter;
  readonly #rows: Row[] = [];
  #now = 0;

  constructor(lab: Case, module: WebAssembly.Module, { recording, pcapng }: LabOptions) {
    this.#case = lab;
    this.#recording = recording;
    this.#kernel = new Kernel(module, newMemory());
    this.#kernel.calls.start(0, 0, lab.topology.namespaces.length);
    this.#network = new Network(this.#kernel, lab);
    this.#captured = capturedInterfaces(lab);
    const captures = pcapng === undefined ? [] : [{ fd: pcapng, format: "pcapng" as const, devices: this.#captured }];
    const records = newFileRecords(this.#kernel, [{ fd: -1, format: "pcapng", devices: this.#captured }]);
    this.#writer = new CaptureWriter(this.#kernel, captures, records);
    this.#captured.forEach((at, id) => {
      const device = this.#network.device(at);
      this.#kernel.calls.addSink(device, records[0] ?? 0, id);
      this.#sinks.set(this.#kernel.word(device + R.DEV_CAPTURE), at);
    });
    this.#loadRules();
    this.#listen();
  }

  play(): LabResult {
    const { script } = this.#case;
    this.#settle(script.quiet_ms, 0);
    this.#collect();
    script.steps.forEach((step, i) => this.#play(step, i));
    this.#kernel.calls.setTime(this.#now);
    this.#writer.finish(this.#now);
    const kernels = this.#case.topology.namespaces.filter(({ kind }) => kind === "kernel");
    return {
      rows: this.#rows,
      counters: Object.fromEntries([...this.#rules].map(([name, rules]) => [name, rules.counters()])),
      conntrack: Object.fromEntries(
        kernels.map(({ name }) => [name, conntrackLines(this.#kernel, this.#network.namespace(name), this.#now)]),
      ),
      fdb: fdb(this.#network, this.#now),
    };
  }

  #loadRules(): void {
    const names = new NameTable();
    for (const { name, iptables } of this.#case.topology.namespaces) {
      const ns = this.#network.namespace(name);
      const file = `${this.#case.path}/rules/${name}`;
      const sets = parseSets(this.#case.rules.get(`${name}.ipset`) ?? "", `${file}.ipset`);
      addSets(this.#kernel, ns, numberSets(sets, names));
      const text = this.#case.rules.get(`${name}.v4`);
      if (text === undefined) continue;
      const setNames = new Set(sets.map((set) => set.name));
      const owner = { ns, backend: iptables, sets: setNames, replayed: this.#recording !== undefined };
      const rules = new NamespaceRules(this.#kernel, owner, names);
      rules.restore(text, `${file}.v4`, true);
      this.#rules.set(name, rules);
    }
  }

  #listen(): void {
    for (const { name, listen } of this.#case.topology.namespaces) {
      for (const { proto, port, addr, echo } of listen) {
        if (proto === "tcp" && echo) this.#network.refuse("a TCP listener that echoes is not emulated yet");
        const ns = this.#network.namespace(name);
        const address = addr === undefined ? 0 : (parseIpv4(addr) ?? 0);
        const error = this.#kernel.listen(ns, proto, address, port, echo ? "echo" : "sink", 0);
        if (error !== undefined) this.#network.refuse(`${name}: listening on ${proto} port ${port}: ${error}`);
      }
    }
  }

  #play(step: Step, number: number): void {
    const injected = this.#begin(step, number);
    this.#settle(step.quiet_ms ?? this.#case.script.quiet_ms, step.op === "wait" ? step.ms : step.wait_ms);
    const began = this.#rows.length;
    const add = (row: Omit<Row, "step" | "n">): void => {
      this.#rows.push({ step: number, n: this.#rows.length - began, ...row });
    };
    if (injected) add(injected);
    // The interface that sends an injected frame sees it first; the row above stands for that.
    let own = injected?.dir === "out" ? injected : undefined;
    for (const { at, dir, hex, us } of this.#collect()) {
      if (own?.at === at && dir === "out" && own.hex === hex) own = undefined;
      else add({ at, dir, us, hex });
    }
  }

  /** Does what a step says; returns the row of the frame that it sends, if any. */
  #begin(step: Step, number: number): Omit<Row, "step" | "n"> | undefined {
    this.#fixChoices(number);
    this.#kernel.calls.setTime(this.#now);
    switch (step.op) {
      case "inject":
        return this.#inject(step.at, step.hex);
      case "local":
        return this.#local(step.ns, step.hex);
      case "reply": {
        if (!this.#recording) this.#network.refuse("a reply step without a recording to replay is not emulated yet");
        const row = this.#recording.rows.find((candidate) => candidate.step === number && candidate.inj);
        return row && this.#inject(row.at, row.hex);
      }
      case "link":
        this.#network.setLink(step.at, step.state === "up");
        return undefined;
      case "sysctl":
        this.#network.setSysctl(step.ns, step.key, step.value);
        return undefined;
      case "restore": {
        const text = this.#case.rules.get(step.file);
        const rules = this.#rules.get(step.ns);
        if (text === undefined || !rules) this.#network.refuse(`there are no rules ${step.file} for ${step.ns}`);
        rules.restore(text, `${this.#case.path}/rules/${step.file}`, step.flush);
        return undefined;
      }
      case "conntrack":
        deleteConnections(this.#network, step.ns, step.args);
        return undefined;
      case "wait":
        return undefined;
      default:
        return this.#network.refuse(`a step of op ${step.op} is not emulated yet`);
    }
  }

  #inject(at: string, hex: string): Omit<Row, "step" | "n"> {
    const bytes = Buffer.from(hex, "hex");
    const device = this.#network.device(at);
    const peer = this.#kernel.word(device + R.DEV_PEER);
    // What the other end cannot take is not sent, as a packet socket refuses it: an Ethernet header and a VLAN tag may come on top.
    const fits = bytes.length <= this.#kernel.word(peer + R.DEV_MTU) + 18;
    if (fits) this.#kernel.calls.transmit(device, this.#frame(bytes), this.#now);
    return { at, dir: "out", inj: true, ...(fits ? {} : { err: "ENOBUFS" }), us: 0, hex };
  }

  #local(name: string, hex: string): Omit<Row, "step" | "n"> {
    const frame = this.#frame(Buffer.from(hex, "hex"));
    this.#kernel.calls.sendRaw(this.#network.namespace(name), frame, this.#now);
    return { at: `${name}:`, dir: "local", inj: true, us: 0, hex };
  }

  #frame(bytes: Uint8Array): Handle {
    if (bytes.length > FRAME_CAPACITY)
      this.#network.refuse(`a frame of more than ${FRAME_CAPACITY} bytes is not emulated yet`);
    return this.#kernel.newFrame(bytes);
  }

  /** Lets a step fall as in the recording. */
  #fixChoices(number: number): void {
    if (!this.#recording) return;
    const choices = this.#recording.choices.filter(({ step }) => step === number);
    const sequences = chosenSequences(this.#recording, number);
    for (const { name } of this.#case.topology.namespaces) {
      const ns = this.#network.namespace(name);
      this.#kernel.calls.clearChoices(ns);
      const own = choices.filter((choice) => choice.ns === name);
      this.#rules.get(name)?.follow(own, `${this.#case.path}/choices.jsonl`);
      for (const choice of own) this.#fixPort(ns, choice);
      for (const number of sequences) this.#kernel.calls.choose(ns, R.CHOICE_OF_ISN, 0, 0, 0, 0, number);
    }
  }

  #fixPort(ns: Handle, choice: Choice): void {
    if (choice.kind === "statistic") return;
    const [src, dst] = [parseIpv4(choice.src) ?? 0, parseIpv4(choice.dst) ?? 0];
    const ports = choice.kind === "nat-id" ? (choice.id << 16) | ECHO_REQUEST : (choice.sport << 16) | choice.dport;
    const fix = (kind: number, value: number): void => {
      this.#kernel.calls.choose(ns, kind, src, dst, ports, PROTOCOLS[choice.proto] ?? 0, value);
    };
    if (choice.kind === "nat-destination-port") fix(R.CHOICE_OF_DESTINATION_PORT, choice.new_dport);
    else fix(R.CHOICE_OF_PORT, choice.kind === "nat-port" ? choice.new_sport : choice.new_id);
  }

  /** Lets time pass until nothing has been captured for `quietMs`, but at least `leastMs`. */
  #settle(quietMs: number, leastMs: number): void {
    const began = this.#now;
    const until = began + leastMs * MILLISECOND;
    const limit = until + MOST_MS * MILLISECOND;
    const { calls } = this.#kernel;
    let last = began;
    let seen = calls.capturedBytes(0);
    for (;;) {
      const next = calls.nextEvent();
      const end = Math.max(last + quietMs * MILLISECOND, until);
      if (next > end || next > limit) {
        this.#now = end + STEP_NS;
        return;
      }
      calls.run(next + 1);
      const now = calls.capturedBytes(0);
      if (now > seen) last = next;
      seen = now;
    }
  }

  /** The frames captured since the last call, in order. They go to the capture file, too. */
  #collect(): { at: string; dir: "in" | "out"; hex: string; us: number }[] {
    const began = this.#now;
    const frames = this.#kernel.caught(0).map(({ sink, direction, atNs, bytes }) => ({
      at: this.#sinks.get(sink) ?? "",
      dir: direction,
      hex: Buffer.from(bytes).toString("hex"),
      us: Math.max(0, Math.floor((atNs - began) / 1000)),
    }));
    this.#writer.merge(1);
    this.#kernel.calls.resetStream(0);
    return frames;
  }
}

const ECHO_REQUEST = 8 << 8;
const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, sctp: 132 };
