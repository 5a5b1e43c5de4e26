// A TCP connection of a tool: opened, written to and read from in virtual time, with the words that Linux has for how it ends.
import type { Connection, Mail } from "../kernel/programs.ts";
import { readIcmpError, type IcmpError } from "./packets.ts";
import type { Context } from "./tool.ts";

/** How a connection ended, or `too late`: the moment to wait for came before. */
export type Ending =
  | "closed"
  | "too late"
  | "Connection refused"
  | "Connection reset by peer"
  | "Connection timed out"
  | "No route to host"
  | "Network is unreachable"
  | "Protocol not available"
  | "Permission denied"
  | "Protocol error";

/** strerror of what an ICMP error means to a socket (icmp_err_convert), by code. */
const UNREACHABLE: readonly Ending[] = [
  "Network is unreachable",
  "No route to host",
  "Protocol not available",
  "Connection refused",
];

/** The same of ICMPv6's destination unreachable (icmpv6_err_convert). */
const UNREACHABLE6: readonly Ending[] = [
  "Network is unreachable",
  "Permission denied",
  "No route to host",
  "No route to host",
  "Connection refused",
  "Permission denied",
  "Permission denied",
];

/** strerror of an ICMP error; what is no destination unreachable has one answer in IPv4, another in IPv6. */
function causeOf({ six, type, code }: IcmpError): Ending {
  if (six)
    return type === 1 ? (UNREACHABLE6[code] ?? "Protocol error") : type === 3 ? "No route to host" : "Protocol error";
  return type === 3 ? (UNREACHABLE[code] ?? "No route to host") : "No route to host";
}

export class TcpStream {
  readonly #context: Context;
  readonly #number: number;
  readonly #connection: Connection;
  #ended: Ending | undefined;
  #cause: Ending | undefined;

  private constructor(context: Context, number: number, connection: Connection) {
    this.#context = context;
    this.#number = number;
    this.#connection = connection;
  }

  /** Sends the SYN; undefined if there is no way. */
  static open(context: Context, address: number, port: number): TcpStream | undefined {
    const { emulation, namespace } = context;
    const number = emulation.newNumber();
    const connection = emulation.programs.connect(namespace.handle, address, port, number);
    if (connection !== undefined) return new TcpStream(context, number, connection);
    emulation.forget(number);
    return undefined;
  }

  /** Waits for the handshake; undefined: it is done. */
  async connected(deadlineNs: number): Promise<Ending | undefined> {
    for (;;) {
      const mail = await this.#next(deadlineNs);
      if (typeof mail === "string") return mail;
      if (mail.kind === "connected") return undefined;
    }
  }

  /** The next bytes, or how it ended. */
  async read(deadlineNs: number): Promise<Uint8Array | Ending> {
    for (;;) {
      const mail = await this.#next(deadlineNs);
      if (typeof mail === "string") return mail;
      if (mail.kind === "data") return mail.bytes;
      if (mail.kind === "closed") return "closed";
    }
  }

  async #next(deadlineNs: number): Promise<Mail | Ending> {
    const { emulation, signal } = this.#context;
    if (this.#ended) return this.#ended;
    const mail = await emulation.mail(this.#number, deadlineNs, signal);
    if (!mail) return "too late";
    switch (mail.kind) {
      case "error": {
        this.#cause = causeOf(readIcmpError(mail.bytes));
        return this.#next(deadlineNs);
      }
      case "refused":
        return (this.#ended = this.#cause ?? "Connection refused");
      case "reset":
        return (this.#ended = "Connection reset by peer");
      case "expired":
        return (this.#ended = this.#cause ?? "Connection timed out");
      default:
        return mail;
    }
  }

  write(bytes: Uint8Array): void {
    if (!this.#ended) this.#context.emulation.programs.write(this.#connection, bytes);
  }

  ends(): { local: number; localPort: number; remote: number; remotePort: number } {
    return this.#context.emulation.programs.endsOf(this.#connection);
  }

  /** Closes it, as the end of a process does. */
  close(): void {
    const { emulation } = this.#context;
    if (!this.#ended) emulation.programs.close(this.#connection);
    this.#ended ??= "closed";
    emulation.forget(this.#number);
  }
}
