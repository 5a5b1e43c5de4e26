// Reply steps: computed from what a recording saw, they are the frames that it sent.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseMac } from "../../src/address.ts";
import { compileKernel } from "../../src/kernel/load.ts";
import { readCase } from "../../src/lab/case.ts";
import { readRecording } from "../../src/lab/recording.ts";
import { answer, replyTo } from "../../src/lab/reply.ts";
import { runLab } from "../../src/lab/run.ts";
import { injectSchema, type ReplyWith } from "../../src/lab/schema.ts";
import { differences } from "../kernel/recorded.ts";

const FIXTURES = fileURLToPath(new URL("../fixtures/kernel", import.meta.url));
const CASES = readdirSync(FIXTURES).flatMap((family) =>
  readdirSync(join(FIXTURES, family)).map((name) => join(FIXTURES, family, name)),
);

/** What a reply carries, with the defaults for what is not given. */
function replyWith(given: object): ReplyWith {
  const [step] = injectSchema.parse([{ op: "reply", with: given }]).steps;
  if (step?.op !== "reply") throw new Error("not a reply");
  return step.with;
}

describe("reply steps", () => {
  it("are the frames that the recordings sent, in every recorded case", () => {
    let count = 0;
    for (const path of CASES) {
      const { topology, script } = readCase(path);
      const { rows } = readRecording(path);
      const stubs = new Set(topology.namespaces.filter(({ kind }) => kind === "stub").map(({ name }) => name));
      const ends = topology.links.flatMap(({ a, b }) => [a, b]);
      const macs = new Map(ends.map((end) => [`${end.ns}:${end.if}`, parseMac(end.mac)]));
      const seen = { rows, isStub: (name: string) => stubs.has(name), macOf: (at: string) => macs.get(at) };
      script.steps.forEach((step, number) => {
        if (step.op !== "reply") return;
        const recorded = rows.find((row) => row.step === number && row.inj);
        const reply = replyTo(step, number, seen);
        const ours = reply && { at: reply.at, hex: reply.bytes.toString("hex") };
        expect(ours, `${path} step ${number}`).toEqual(recorded && { at: recorded.at, hex: recorded.hex });
        count++;
      });
    }
    expect(count).toBeGreaterThan(300);
  });

  it.each(["filter/filter-s0002-000", "nat/nat-s0003-000"])("need no recording: %s comes out as on Linux", (name) => {
    const path = join(FIXTURES, name);
    expect(existsSync(join(path, "choices.jsonl"))).toBe(false);
    expect(differences(runLab(readCase(path), compileKernel()), path)).toEqual([]);
  });

  it("quote what an ICMP error is about and answer ARP", () => {
    const udp =
      "020000000002 020000000001 0800 4500001d 00010000 4011 0000 0a000001 0a000002 0035 1000 0009 0000 61".replaceAll(
        " ",
        "",
      );
    const error = answer(Buffer.from(udp, "hex"), replyWith({ icmp_error: { type: 3, code: 3 }, id: 7 }));
    expect(error?.toString("hex")).toBe(
      "020000000001020000000002080045000038000700004001" +
        "66bc0a0000020a0000010303" +
        "538c000000004500001d00010000401100000a0000010a0000020035100000090000",
    );
    const asked = Buffer.from(
      "ffffffffffff0200000000010806000108000604000102000000000" + "10a0000010000000000000a000002",
      "hex",
    );
    expect(answer(asked, replyWith({ arp: "02:00:00:00:00:02" }))?.toString("hex")).toBe(
      "0200000000010200000000020806" + "0001080006040002" + "0200000000020a000002" + "0200000000010a000001",
    );
  });
});
