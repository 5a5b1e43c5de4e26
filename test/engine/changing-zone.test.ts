// Names that change while a zone is in use: the block of changes over that of the start says what a zone made anew would.
import fc from "fast-check";
import { expect, test } from "vitest";
import * as Z from "../../assembly/layout/zone.ts";
import { ChangingZone, clusterZone } from "../../src/engine/zone.ts";
import type { DnsRecord } from "../../src/seam/plan.ts";

/** What a block says, by name in wire form; null: the name is gone. */
function read(words: Uint32Array): Map<string, string | null> {
  const bytes = Buffer.from(words.buffer);
  const names = new Map<string, string | null>();
  const mask = words[Z.ZONE_MASK / 4] ?? 0;
  const padded = (length: number): number => (length + 3) & ~3;
  for (let bucket = 0; bucket <= mask; bucket++) {
    for (let at = words[Z.ZONE_BUCKETS / 4 + bucket] ?? 0; at !== 0; at = bytes.readUInt32LE(at + Z.ENTRY_NEXT)) {
      const length = bytes.readUInt32LE(at + Z.ENTRY_NAME_LENGTH);
      const count = bytes.readUInt32LE(at + Z.ENTRY_RECORDS);
      const name = bytes.toString("latin1", at + Z.ENTRY_NAME, at + Z.ENTRY_NAME + length);
      const said = [`pods ${bytes.readUInt32LE(at + Z.ENTRY_PODS)}`];
      let record = at + Z.ENTRY_NAME + padded(length);
      for (let i = 0; count !== Z.GONE && i < count; i++) {
        const data = record + Z.RECORD_DATA;
        const size = bytes.readUInt32LE(record + Z.RECORD_LENGTH);
        said.push(`${bytes.readUInt32LE(record + Z.RECORD_TYPE)} ${bytes.toString("hex", data, data + size)}`);
        record = data + padded(size);
      }
      names.set(name, count === Z.GONE ? null : said.join("; "));
    }
  }
  return names;
}

const label = fc.constantFrom("a", "b", "_http", "_tcp", "web");
const record = fc.oneof(
  fc
    .tuple(fc.array(label, { minLength: 0, maxLength: 3 }), fc.integer({ min: 0, max: 3 }))
    .map(([labels, i]): DnsRecord => {
      return { name: [...labels, "svc.cluster.local"].join("."), type: "A", ttl: 30, value: `10.0.0.${i}` };
    }),
  fc.constantFrom<DnsRecord>(
    { name: "a.svc.cluster.local", type: "NAME", ttl: 30, value: "" },
    { name: "a.pod.cluster.local", type: "PODS", ttl: 30, value: "" },
    { name: "1.0.0.10.in-addr.arpa", type: "PTR", ttl: 30, value: "a.svc.cluster.local" },
  ),
);
const records = fc.uniqueArray(record, {
  maxLength: 12,
  selector: ({ name, type, value }) => `${name} ${type} ${value}`,
});

test("for any names before and after", () => {
  fc.assert(
    fc.property(records, records, (start, now) => {
      const names = [...new Set([...start, ...now].map(({ name }) => name))];
      const changed = names.map((name) => ({ name, records: now.filter((one) => one.name === name) }));
      const seen = read(clusterZone(start));
      for (const [name, said] of read(new ChangingZone(start).block(changed)))
        if (said === null) seen.delete(name);
        else seen.set(name, said);
      const whole = read(clusterZone(now));
      expect([...seen].sort()).toEqual([...whole].sort());
    }),
    { numRuns: 2000 },
  );
});
