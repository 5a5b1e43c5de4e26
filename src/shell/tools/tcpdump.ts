// `tcpdump`: prints the frames that pass a device while other commands run, or writes them to a file.
import { closeSync, openSync, writeSync } from "node:fs";
import { formatMac } from "../../address.ts";
import { fileHeader, fileRecord } from "../../pcap/classic.ts";
import { cookedFrame, LINKTYPE_LINUX_SLL2, type PacketType } from "../../pcap/cooked.ts";
import { FilterError } from "../../pcap/filter.ts";
import { Captures, type CapturedFrame } from "../capture.ts";
import { Dissector } from "../dissect.ts";
import type { Emulation } from "../emulation.ts";
import type { Device } from "../namespaces.ts";
import { numberOption, readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const SPEC = {
  i: "value",
  c: "value",
  w: "value",
  n: "flag",
  l: "flag",
  e: "flag",
  q: "flag",
  t: "flag",
  U: "flag",
} as const;
/** How long a capture alone waits for a frame. */
const PATIENCE_NS = 60e9;

const captures = new WeakMap<Emulation, Captures>();

/** A tcpdump under way. */
export interface Dump {
  /** Whether it has seen as many frames as -c says. */
  readonly done: boolean;
  /** Ends it, with its last words. */
  stop(): void;
}

/** Starts one. */
export function startDump(context: Context, words: readonly string[]): Dump {
  const given = readOptions("tcpdump", words, SPEC);
  for (const option of ["e", "q", "t"])
    if (given.has(option)) throw new ToolError(`tcpdump: option -${option} is not emulated`);
  const { emulation, namespace, out, err } = context;
  const name = given.value("i") ?? namespace.devices.find(({ kind }) => kind !== "loopback")?.name ?? "lo";
  const any = name === "any";
  const devices = namespace.devices.filter((one) => any || one.name === name);
  if (devices.length === 0) throw new ToolError(`tcpdump: ${name}: No such device exists\n(No such device exists)`, 1);
  const most = numberOption("tcpdump", given, "c", 1) ?? Infinity;
  const path = given.value("w");
  const file = path === undefined ? undefined : openSync(path, "w");
  if (file !== undefined) writeSync(file, any ? fileHeader(LINKTYPE_LINUX_SLL2) : fileHeader());
  const dissector = new Dissector();
  let seen = 0;
  let stop: (() => void) | undefined;
  const dump = {
    done: false,
    stop(): void {
      if (!stop) return;
      const unlink = stop;
      stop = undefined;
      unlink();
      if (file !== undefined) closeSync(file);
      dump.done = true;
      err(
        `${seen} ${seen === 1 ? "packet" : "packets"} captured\n${seen} ${seen === 1 ? "packet" : "packets"} received by filter\n0 packets dropped by kernel\n`,
      );
    },
  };
  const take = ({ time, frame, device: place, outgoing }: CapturedFrame): void => {
    const device = devices[place];
    if (seen >= most || !device) return;
    const isLoopback = device.kind === "loopback";
    // What the loopback device sends comes in there at once; libpcap shows it once.
    if (any && isLoopback && outgoing) return;
    seen++;
    const type = packetType(device, frame, outgoing);
    const prefix = any ? `${device.name.padEnd(5)} ${type.padEnd(3)} ` : "";
    if (file === undefined) out(`${clock(time)} ${prefix}${dissector.text(frame)}\n`);
    else writeSync(file, fileRecord(time, any ? cookedFrame(frame, device.index, isLoopback, type) : frame));
    if (seen < most) return;
    dump.done = true;
  };
  const own = captures.get(emulation) ?? new Captures(emulation);
  captures.set(emulation, own);
  try {
    stop = own.start(
      devices.map(({ handle }) => handle),
      given.words.join(" "),
      take,
    );
  } catch (error) {
    if (!(error instanceof FilterError)) throw error;
    throw new ToolError(`tcpdump: ${error.message}`, 1);
  }
  if (any) err("tcpdump: data link type LINUX_SLL2\n");
  if (file === undefined) err("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n");
  err(
    `${file === undefined ? "" : "tcpdump: "}listening on ${name}, link-type ${any ? "LINUX_SLL2 (Linux cooked v2)" : "EN10MB (Ethernet)"}, snapshot length 262144 bytes\n`,
  );
  return dump;
}

/** Whom a frame is for, from the point of view of the device that sees it. */
function packetType({ mac, kind }: Device, frame: Buffer, outgoing: boolean): PacketType {
  if (outgoing) return "Out";
  const destination = frame.subarray(0, 6);
  if (destination.every((byte) => byte === 0xff)) return "B";
  if ((destination.readUInt8(0) & 1) !== 0) return "M";
  return kind === "loopback" || formatMac(destination) === mac ? "In" : "P";
}

/** `00:00:01.000123`, the time of day. */
function clock(time: bigint): string {
  const micros = (time / 1000n) % 86_400_000_000n;
  const seconds = Number(micros / 1_000_000n);
  const two = (value: number): string => `${value}`.padStart(2, "0");
  const day = `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return `${day}.${`${micros % 1_000_000n}`.padStart(6, "0")}`;
}

export const tcpdump: Tool = {
  usage:
    "tcpdump [-i DEVICE] [-n] [-c COUNT] [-w FILE] [EXPRESSION] [-- COMMAND | &]: beside a command, or in the background",
  async run(context, words) {
    const dump = startDump(context, words);
    const { emulation, interactive, signal } = context;
    const end = interactive ? Infinity : emulation.nowNs + PATIENCE_NS;
    while (!dump.done && !signal.aborted && emulation.nowNs < end) await emulation.until(emulation.nowNs + 1e8, signal);
    dump.stop();
    return 0;
  },
};
