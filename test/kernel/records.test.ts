// The records of the kernel: no two fields of a namespace lie in one place.
import { expect, test } from "vitest";
import * as R from "../../assembly/layout/records.ts";

test("fields of a namespace are apart, and its long ones stand at multiples of eight", () => {
  const fields = Object.entries(R).filter(([name]) => name.startsWith("NS_") && name !== "NS_SIZE");
  const words = fields.map(([name, at]) => ({ name, at: Number(at), size: 4 }));
  for (const field of words) {
    if (["NS_RANDOM", "NS_ICMP_STAMP", "NS_EARLIEST_END"].includes(field.name)) {
      expect([field.name, field.at % 8]).toEqual([field.name, 0]);
      field.size = 8;
    }
  }
  words.sort((a, b) => a.at - b.at);
  const overlaps = words.filter(({ at }, i) => i > 0 && at < (words[i - 1]?.at ?? 0) + (words[i - 1]?.size ?? 0));
  expect(overlaps).toEqual([]);
});
