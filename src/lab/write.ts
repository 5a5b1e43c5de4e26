// The results of a case as files, in the format of a recording, so that the two can be compared line by line.
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { concat } from "../pcap/block.ts";
import { interfaceDescription, sectionHeader } from "../pcap/pcapng.ts";
import { writeAll } from "../engine/captures.ts";
import type { Case } from "./case.ts";
import { capturedInterfaces, type LabResult } from "./run.ts";

/** Writes observed.jsonl, counters.json, conntrack.txt and fdb.json. */
export function writeResult(out: string, lab: Case, result: LabResult): void {
  const head = { format: 1, case: lab.name, kernel: "podwire" };
  const lines = [head, ...result.rows].map((row) => JSON.stringify(row));
  writeFileSync(join(out, "observed.jsonl"), `${lines.join("\n")}\n`);
  writeJson(join(out, "counters.json"), result.counters);
  writeJson(join(out, "fdb.json"), result.fdb);
  const tracked = Object.entries(result.conntrack).flatMap(([name, entries]) =>
    entries.map((text) => `${name} ${text}\n`),
  );
  writeFileSync(join(out, "conntrack.txt"), tracked.join(""));
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, undefined, 1)}\n`);
}

/** Opens a pcapng file with the descriptions of the case's interfaces, hands it to `use` and closes it. */
export function withCapture<T>(path: string, lab: Case, use: (fd: number) => T): T {
  const fd = openSync(path, "w");
  try {
    writeAll(fd, concat([sectionHeader(), ...capturedInterfaces(lab).map((at) => describe(lab, at))]));
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function describe({ topology }: Case, at: string): Uint8Array {
  const [ns = "", name = ""] = at.split(":");
  const ends = topology.links.flatMap(({ a, b }) => [a, b]).map((end) => ({ ...end, name: end.if }));
  const found = [...ends, ...topology.bridges].find((device) => device.ns === ns && device.name === name);
  const address = topology.addresses.find((entry) => entry.ns === ns && entry.dev === name);
  const mac = found?.mac ?? "00:00:00:00:00:00";
  return interfaceDescription({ name: `${ns}/${name}`, description: `${name} in ${ns}`, ipv4: address?.cidr, mac });
}
