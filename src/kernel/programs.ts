// Sockets of programs that run outside the kernel, such as the tools of the shell, and the mail that comes for them.
import * as codes from "../../assembly/layout/codes.ts";
import { FRAME_DATA, FRAME_LENGTH } from "../../assembly/layout/frame.ts";
import * as P from "../../assembly/layout/program.ts";
import * as R from "../../assembly/layout/records.ts";
import type { ResolverOptions } from "../seam/plan.ts";
import { newFlow } from "./flows.ts";
import type { Handle, Kernel } from "./kernel.ts";

const PROTOCOLS = { icmp: 1, udp: 17 } as const;
const SCRATCH_BYTES = 65536;

const KINDS = {
  /** An IPv4 packet, from its header on. */
  packet: P.MAIL_PACKET,
  /** An IPv4 packet with an ICMP error about what was sent. */
  error: P.MAIL_ERROR,
  connected: P.MAIL_CONNECTED,
  /** Bytes of a stream. */
  data: P.MAIL_DATA,
  /** The other side sends no more. */
  closed: P.MAIL_CLOSED,
  refused: P.MAIL_REFUSED,
  reset: P.MAIL_RESET,
  expired: P.MAIL_EXPIRED,
  resolved: P.MAIL_RESOLVED,
  unresolved: P.MAIL_UNRESOLVED,
} as const;

export type MailKind = keyof typeof KINDS;
const KIND_NAMES = new Map<number, MailKind>(Object.entries(KINDS).map(([name, code]) => [code, name as MailKind]));

/** What happened to a socket. */
export interface Mail {
  kind: MailKind;
  /** The socket's number. */
  number: number;
  atNs: number;
  /** Of packet, error and data; of a packet at most the first 9216. */
  bytes: Uint8Array;
  /** How many came. */
  length: number;
  /** resolved: the address; unresolved: how many questions nobody answered in time. */
  subject: number;
}

/** The way that a packet takes out of a namespace; `device` is the loopback one for its own addresses. */
export interface Way {
  local: boolean;
  device: Handle;
  nextHop: number;
  source: number;
  mtu: number;
}

/** A TCP connection of a program. */
export interface Connection {
  record: Handle;
  generation: number;
}

export class Programs {
  readonly #kernel: Kernel;
  readonly #scratch: Handle;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#scratch = kernel.calls.reserve(SCRATCH_BYTES) >>> 0;
  }

  /** Runs until `endNs` or until there is mail, whichever is first; returns the mail. The clock stands at its moment, or at the end. */
  run(endNs: number): Mail[] {
    this.#kernel.calls.runToMail(endNs);
    const mails: Mail[] = [];
    for (let at = this.#take(); at !== 0; at = this.#take()) mails.push(this.#read(at));
    if (mails.length === 0) this.#kernel.calls.setTime(endNs);
    return mails;
  }

  #take(): Handle {
    return this.#kernel.calls.takeMail() >>> 0;
  }

  #read(at: Handle): Mail {
    const kernel = this.#kernel;
    const length = kernel.word(at + P.MAIL_LENGTH);
    return {
      kind: KIND_NAMES.get(kernel.word(at + P.MAIL_KIND)) ?? "packet",
      number: kernel.word(at + P.MAIL_NUMBER),
      atNs: Number(kernel.long(at + P.MAIL_TIME)),
      bytes: kernel.bytes(at + P.MAIL_BYTES, Math.min(length, P.MAIL_ROOM)).slice(),
      length,
      subject: kernel.word(at + P.MAIL_SUBJECT),
    };
  }

  #place(bytes: Uint8Array): Handle {
    if (bytes.length > SCRATCH_BYTES) throw new RangeError(`${bytes.length} bytes are more than fit into one call`);
    this.#kernel.bytes(this.#scratch, bytes.length).set(bytes);
    return this.#scratch;
  }

  /** Binds a socket to a port, of ICMP: to an id; undefined if that is taken. */
  bind(ns: Handle, protocol: keyof typeof PROTOCOLS, port: number, number: number): Handle | undefined {
    const { calls } = this.#kernel;
    return calls.programBind(ns, PROTOCOLS[protocol], 0, port, number) === codes.OK
      ? calls.boundSocket() >>> 0
      : undefined;
  }

  /** A UDP socket towards an address; undefined if no port is free. */
  open(ns: Handle, remote: number, port: number, number: number): Handle | undefined {
    const socket = this.#kernel.calls.programOpen(ns, remote, port, number) >>> 0;
    return socket === 0 ? undefined : socket;
  }

  closeSocket(socket: Handle): void {
    this.#kernel.calls.closeSocket(socket);
  }

  /** The port that a socket is bound to. */
  portOf(socket: Handle): number {
    return this.#kernel.word(socket + R.SOCK_LOCAL_PORT);
  }

  /** Sends a datagram now; false: there is no way. */
  send(socket: Handle, to: number, port: number, bytes: Uint8Array): boolean {
    return this.#kernel.calls.programSend(socket, to, port, this.#place(bytes), bytes.length) === codes.OK;
  }

  /** Begins a TCP connection now; undefined if there is no way or no port is free. */
  connect(ns: Handle, to: number, port: number, number: number): Connection | undefined {
    const record = this.#kernel.calls.programConnect(ns, to, port, number) >>> 0;
    return record === 0 ? undefined : { record, generation: this.#kernel.word(record + R.TCP_GENERATION) };
  }

  /** Whether the connection is still there: its record is another's once it has ended. */
  #isOpen({ record, generation }: Connection): boolean {
    return this.#kernel.word(record + R.TCP_GENERATION) === generation;
  }

  write(connection: Connection, bytes: Uint8Array): void {
    if (!this.#isOpen(connection)) return;
    this.#kernel.calls.programWrite(connection.record, this.#place(bytes), bytes.length);
  }

  /** Closes a connection, unless it has ended by itself; no more mail comes from it. */
  close(connection: Connection): void {
    if (this.#isOpen(connection)) this.#kernel.calls.programClose(connection.record);
  }

  /** The addresses of a connection. */
  endsOf({ record: connection }: Connection): { local: number; localPort: number; remote: number; remotePort: number } {
    const ports = this.#kernel.word(connection + R.TCP_PORTS);
    return {
      local: this.#kernel.word(connection + R.TCP_LOCAL),
      localPort: ports >>> 16,
      remote: this.#kernel.word(connection + R.TCP_REMOTE),
      remotePort: ports & 0xffff,
    };
  }

  /** A raw socket sends an IPv4 packet; length, checksum and an identification of 0 are filled in. */
  sendPacket(ns: Handle, packet: Uint8Array, atNs: number): void {
    const kernel = this.#kernel;
    const frame = kernel.calls.programFrame(ns, packet.length) >>> 0;
    kernel.bytes(kernel.word(frame + FRAME_DATA), packet.length).set(packet);
    kernel.setWord(frame + FRAME_LENGTH, packet.length);
    kernel.calls.sendRaw(ns, frame, atNs);
  }

  /** The way to an address; undefined: there is none. `source` 0: not chosen yet. */
  way(ns: Handle, to: number, source = 0): Way | undefined {
    const kernel = this.#kernel;
    const at = this.#scratch;
    kernel.calls.findWay(ns, to, source, at);
    const outcome = kernel.word(at + P.WAY_OUTCOME);
    if (outcome === P.WAY_NOWHERE) return undefined;
    return {
      local: outcome === P.WAY_TO_LOCAL,
      device: kernel.word(at + P.WAY_DEVICE),
      nextHop: kernel.word(at + P.WAY_NEXT_HOP),
      source: kernel.word(at + P.WAY_SOURCE),
      mtu: kernel.word(at + P.WAY_MTU),
    };
  }

  /**
   * Has the namespace's resolver look for an address, name after name in wire form; mail says what it found. `number` has at most
   * 16 bits.
   */
  lookup(
    ns: Handle,
    names: Uint8Array,
    resolver: { first: string; options: ResolverOptions },
    number: number,
    when: { atNs: number; timeoutNs: number; seed: bigint },
  ): void {
    const kernel = this.#kernel;
    const flow = newFlow(
      kernel,
      {
        line: -1,
        namespace: "",
        protocol: "dns",
        target: { names: [], resolver: resolver.first, port: 0, options: resolver.options },
        rate: 1e-9,
        arrival: "constant",
        startNs: when.atNs,
        stopNs: when.atNs + 1,
        requestBytes: 0,
        timeoutNs: when.timeoutNs,
      },
      number,
      ns,
      kernel.place(names),
      when.seed,
    );
    kernel.setWord(flow + R.FLOW_PROTOCOL, codes.PROTOCOL_RESOLVE);
    kernel.calls.startFlow(flow, when.atNs);
  }
}
