// A host that balances, in a lab: a test gives it virtual services and packets of clients and servers, and reads what it sends on.
import * as I from "../../assembly/layout/ipvs.ts";
import { NS_IPVS } from "../../assembly/layout/records.ts";
import { formatIpv4, parseIpv4 } from "../../src/address.ts";
import { SCHEDULERS, type Scheduler } from "../../src/seam/ipvs.ts";
import type { Frame } from "../tools/frame.ts";
import { ethernet, tcp, udp, type IpWords } from "./craft.ts";
import { Lab, type Build, type Seen } from "./lab.ts";

export const CLIENT = "10.0.1.1";
export const VIRTUAL = "10.96.0.1";
/** Addresses of the host that virtual services may have. */
export const VIRTUALS = Array.from({ length: 8 }, (_, i) => `10.96.0.${i + 1}`);
const CHAINS = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]\n`).join("");

export interface DirectorWords {
  /** More tables, as iptables-save text. */
  rules?: string;
  sysctls?: Record<string, number>;
  routes?: string[];
}

export interface ServiceWords {
  address?: string;
  port?: number;
  protocol?: "tcp" | "udp";
  scheduler?: Scheduler;
  persistent?: number;
}

type Handle = number;

/** A connection as ip_vs has it. */
export interface Known {
  /** The client's; 0 of a template. */
  port: number;
  server: string;
  state: string;
  /** How long it lives after a packet. */
  seconds: number;
  isTemplate: boolean;
  /** Connections of its server. */
  active: number;
  inactive: number;
}

/** By number (IP_VS_TCP_S_*). */
const STATES = [
  "NONE",
  "ESTABLISHED",
  "SYN_SENT",
  "SYN_RECV",
  "FIN_WAIT",
  "TIME_WAIT",
  "CLOSE",
  "CLOSE_WAIT",
  "LAST_ACK",
];

/**
 * Clients of 10.0.0.0/8 are to the left, servers of 10.9.0.0/16 to the right of it, and answer no ARP: their addresses are known. Every
 * packet is a test's own.
 */
export class Director {
  readonly lab: Lab;
  /** Seconds of virtual time. */
  now = 0;
  /** How many packets had been sent when they were last read, and whether there may be more. */
  #read = 0;
  #isUnread = false;

  constructor(build: Build, { rules = "", sysctls = {}, routes = [] }: DirectorWords = {}) {
    this.lab = new Lab(build, {
      namespaces: {
        c: {},
        s: {},
        r: {
          sysctls: { "net.ipv4.ip_forward": 1, ...sysctls },
          addresses: {
            left: ["10.0.1.254/24", ...VIRTUALS.map((address) => `${address}/32`)],
            right: "10.0.2.254/24",
          },
          routes: ["10.0.0.0/8 via 10.0.1.1", "10.9.0.0/16 via 10.0.2.1", ...routes],
          neighbours: ["left 10.0.1.1 02:00:00:00:00:91", "right 10.0.2.1 02:00:00:00:00:92"],
          rules: `*nat\n${CHAINS}COMMIT\n${rules}`,
        },
      },
      veths: ["c/eth0 r/left", "s/eth0 r/right"],
    });
  }

  service(words: ServiceWords = {}): Handle {
    const { address = VIRTUAL, port = 80, protocol = "tcp", scheduler = "rr", persistent = 0 } = words;
    const { kernel } = this.lab;
    const number = protocol === "tcp" ? 6 : 17;
    return kernel.calls.putService(
      this.lab.namespace("r"),
      numberOf(address),
      port,
      number,
      SCHEDULERS.indexOf(scheduler),
      persistent,
    );
  }

  /** `10.9.0.1:8080`. */
  server(service: Handle, place: string, weight = 1): void {
    this.lab.kernel.calls.putServer(service, ...placeOf(place), weight);
  }

  /** Deletes a virtual service. */
  remove(service: Handle): void {
    this.lab.kernel.calls.removeService(service);
  }

  /** Deletes a real server as kube-proxy does. */
  leave(service: Handle, place: string): void {
    this.lab.kernel.calls.leaveService(service, ...placeOf(place));
  }

  /** kube-proxy's look at servers that leave; returns how many still wait. */
  reap(): number {
    return this.lab.kernel.calls.reapServers(this.lab.namespace("r"));
  }

  /** Lets so many seconds pass. */
  wait(seconds: number): this {
    this.now += seconds;
    this.lab.run(this.now);
    return this;
  }

  /** Has the host handle a packet from the left or right. */
  give(side: "left" | "right", ip: Uint8Array): void {
    const peer = side === "left" ? "02:00:00:00:00:91" : "02:00:00:00:00:92";
    this.lab.inject(`r/${side}`, ethernet(this.lab.mac(`r/${side}`), peer, 0x800, ip), this.now);
    this.#isUnread = true;
    this.wait(1e-6);
  }

  /** The same; returns what the host sent because of it. */
  packet(side: "left" | "right", ip: Uint8Array): Sent[] {
    if (this.#isUnread) this.#read = this.sent().length;
    this.give(side, ip);
    const all = this.sent();
    const before = this.#read;
    this.#read = all.length;
    this.#isUnread = false;
    return all.slice(before);
  }

  /** A segment of a client's to a virtual service; returns what the host sent because of it. */
  fromClient(flags: string, port = 40000, { from = CLIENT } = {}): Sent[] {
    return this.packet("left", clientSegment(flags, [port, 80], { from, to: VIRTUAL }));
  }

  fromServer(flags: string, place: string, port = 40000): Sent[] {
    return this.packet("right", serverSegment(flags, place, port));
  }

  /** The same, without a look at what the host sends. */
  giveClient(flags: string, port: number): void {
    this.give("left", clientSegment(flags, [port, 80], { from: CLIENT, to: VIRTUAL }));
  }

  giveServer(flags: string, place: string, port: number): void {
    this.give("right", serverSegment(flags, place, port));
  }

  datagram(port = 40000): Sent[] {
    return this.packet("left", udp({ from: CLIENT, to: VIRTUAL }, [port, 80], "request"));
  }

  datagramBack(place: string, port = 40000): Sent[] {
    const [from = "", own = "0"] = place.split(":");
    return this.packet("right", udp({ from, to: CLIENT }, [Number(own), port], "answer"));
  }

  /** The connections that ip_vs knows, with their templates. */
  connections(): Known[] {
    const word = (at: number): number => this.lab.kernel.word(at);
    const table = word(word(this.lab.namespace("r") + NS_IPVS) + I.IPVS_CONNECTIONS);
    // A table of assembly/memory/hash.ts: where its buckets are, and the number of the last one.
    const [buckets, last] = [word(table), word(table + 4)];
    const found: Known[] = [];
    for (let i = 0; i <= last; i++)
      for (let c = word(buckets + 4 * i); c !== 0; c = word(c)) found.push(this.#known(c));
    return found.sort((a, b) => a.port - b.port);
  }

  #known(c: number): Known {
    const word = (at: number): number => this.lab.kernel.word(c + at);
    const server = (at: number): number => this.lab.kernel.word(word(I.VSCONN_SERVER) + at);
    return {
      port: word(I.VSCONN_PORTS) >>> 16,
      server: `${formatIpv4(word(I.VSCONN_REAL))}:${word(I.VSCONN_REAL_PORT)}`,
      state: STATES[word(I.VSCONN_STATE)] ?? "?",
      seconds: word(I.VSCONN_TIMEOUT),
      isTemplate: (word(I.VSCONN_FLAGS) & I.VSCONN_IS_TEMPLATE) !== 0,
      active: server(I.VS_SERVER_ACTIVE),
      inactive: server(I.VS_SERVER_INACTIVE),
    };
  }

  /** All that the host has sent so far. */
  sent(): Sent[] {
    const out = ({ device, direction, frame }: Seen): boolean =>
      device.startsWith("r/") && direction === "outbound" && frame.ipv4 !== undefined;
    return this.lab.seen("r/left", "r/right").filter(out).map(sentOf);
  }
}

/** A segment of a client that has sent no data. */
export function clientSegment(flags: string, ports: [number, number], words: IpWords): Uint8Array {
  return tcp(words, ports, {
    flags,
    seq: flags.includes("S") ? 1000 : 1001,
    ack: flags.includes(".") ? 2001 : 0,
  });
}

function serverSegment(flags: string, place: string, port: number): Uint8Array {
  const [from = "", own = "0"] = place.split(":");
  const seq = flags.includes("S") ? 2000 : 2001;
  return tcp({ from, to: CLIENT }, [Number(own), port], { flags, seq, ack: 1001 });
}

export interface Sent {
  side: string;
  from: string;
  to: string;
  ttl: number;
  bytes: Uint8Array;
  frame: Frame;
}

function sentOf({ device, frame, bytes }: Seen): Sent {
  const { ipv4 } = frame;
  const ports = frame.tcp ?? frame.udp;
  const port = (one: number | undefined): string => (one === undefined ? "" : `:${one}`);
  return {
    side: device.replace("r/", ""),
    from: `${ipv4?.source ?? ""}${port(ports?.sourcePort)}`,
    to: `${ipv4?.destination ?? ""}${port(ports?.destinationPort)}`,
    ttl: ipv4?.ttl ?? 0,
    bytes,
    frame,
  };
}

/** Where packets went: `10.9.0.1:8080`. */
export function targets(sent: readonly Sent[]): string[] {
  return sent.map(({ to }) => to);
}

export function numberOf(address: string): number {
  return parseIpv4(address) ?? 0;
}

function placeOf(place: string): [address: number, port: number] {
  const [address = "", port = "0"] = place.split(":");
  return [numberOf(address), Number(port)];
}
