// Has tshark 4 judge a capture: bad checksums, malformed frames and errors, and what its TCP analysis complains of.
//
// Interfaces are judged one by one for TCP: the same segment seen on two of them would count as a retransmission.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "vitest";
import { readCaptureFile } from "./capture.ts";
import { writePcap } from "./pcap.ts";

export interface Finding {
  /** As Wireshark counts: from 1, in the whole file. */
  frame: number;
  device: string;
  text: string;
}

export interface Verdict {
  /** Frames that tshark could dissect. */
  frames: number;
  badChecksums: Finding[];
  /** Malformed frames and expert information of severity error, bad checksums aside. */
  errors: Finding[];
  /** tcp.analysis.*: retransmissions, duplicate acknowledgements, lost segments, a full window and their like. */
  analysis: Finding[];
}

export const CHECKSUM_OPTIONS = ["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);

/** What tshark may say about TCP in a sound stream. */
const SOUND = ["tcp.analysis.window_update", "tcp.analysis.keep_alive", "tcp.analysis.keep_alive_ack"];
const SEVERITY_ERROR = 0x800000;
const GROUP_CHECKSUM = 0x01000000;
const FIELDS = [
  "frame.number",
  "frame.interface_name",
  "_ws.expert.severity",
  "_ws.expert.group",
  "_ws.expert.message",
  "ip.checksum.status",
  "tcp.checksum.status",
  "udp.checksum.status",
  "icmp.checksum.status",
  "icmpv6.checksum.status",
  "_ws.malformed",
];
const CHECKSUMS = ["ip", "tcp", "udp", "icmp", "icmpv6"];

/** The installed tshark's version, such as `4.0.17`; undefined if there is none of version 4 or later. */
export const tsharkVersion = installedVersion();

/** A test that needs tshark: skipped with a warning where there is none, but failed in CI. */
export function testWithTshark(name: string, body: () => void | Promise<void>): void {
  if (tsharkVersion !== undefined) test(name, body);
  else if (process.env["CI"] === "true") {
    test(name, () => {
      throw new Error("tshark 4 is not installed; CI must not pass without it");
    });
  } else {
    console.warn(`SKIPPED, since tshark 4 is not installed: ${name}`);
    test.skip(name, body);
  }
}

/** Runs tshark over a capture file with every checksum check on. */
export function judge(path: string): Verdict {
  const badChecksums: Finding[] = [];
  const errors: Finding[] = [];
  const rows = fields(path, FIELDS);
  for (const [number = "", device = "", severities = "", groups = "", messages = "", ...rest] of rows) {
    const at = { frame: Number(number), device };
    const [malformed, ...statuses] = [rest[CHECKSUMS.length] ?? "", ...rest.slice(0, CHECKSUMS.length)];
    for (const [i, status] of statuses.entries()) {
      if (status.split("|").includes("0")) badChecksums.push({ ...at, text: CHECKSUMS[i] ?? "" });
    }
    const texts = messages.split("|");
    const groupNumbers = groups.split("|").map(Number);
    for (const [i, severity] of severities.split("|").map(Number).entries()) {
      if (severity !== SEVERITY_ERROR || groupNumbers[i] === GROUP_CHECKSUM) continue;
      errors.push({ ...at, text: texts[i] ?? "" });
    }
    if (malformed !== "") errors.push({ ...at, text: "malformed" });
  }
  return { frames: rows.length, badChecksums, errors, analysis: analyse(path) };
}

/** The TCP analysis of each interface by itself. */
function analyse(path: string): Finding[] {
  const capture = readCaptureFile(path);
  const folder = mkdtempSync(join(tmpdir(), "podwire-tshark-"));
  try {
    return capture.interfaces.flatMap(({ name }, id) => {
      const packets = capture.packets
        .map((packet, i) => ({ ...packet, frame: i + 1 }))
        .filter((packet) => packet.interfaceId === id);
      if (!packets.some(({ bytes }) => bytes[12] === 8 && bytes[13] === 0 && bytes[23] === 6)) return []; // no TCP over IPv4
      const file = join(folder, `${id}.pcap`);
      writeFileSync(file, writePcap(packets));
      const unsound = `tcp.analysis.flags && !(${SOUND.join(" || ")})`;
      return fields(file, ["frame.number", "_ws.expert.message"], unsound).map(([number, text = ""]) => {
        return { frame: packets[Number(number) - 1]?.frame ?? 0, device: name, text };
      });
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The values of the fields in every frame that passes the display filter; several values of a field are joined with `|`. */
export function fields(path: string, names: readonly string[], filter = ""): string[][] {
  const output = ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=|"];
  const args = [
    "-n",
    "-r",
    path,
    ...CHECKSUM_OPTIONS,
    // Linux' port for VXLAN; tshark knows the one that was assigned later.
    "-d",
    "udp.port==8472,vxlan",
    "-Y",
    filter,
    ...output,
    ...names.flatMap((name) => ["-e", name]),
  ];
  const text = execFileSync("tshark", args, {
    encoding: "utf8",
    maxBuffer: 1 << 30,
    stdio: ["ignore", "pipe", "pipe"],
  });
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.split("\t"));
}

function installedVersion(): string | undefined {
  const { status, stdout } = spawnSync("tshark", ["--version"], { encoding: "utf8" });
  const version = status === 0 ? /^TShark .*?(\d+\.\d+\.\d+)/m.exec(stdout)?.[1] : undefined;
  return version !== undefined && Number.parseInt(version, 10) >= 4 ? version : undefined;
}
