// A recording of a case: the frames that every interface saw, and what the kernel chose at random. A replay follows it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.ts";
import { readText } from "./case.ts";

const rowSchema = z.object({
  step: z.int(),
  n: z.int(),
  /** `namespace:interface`; `namespace:` for a packet of the namespace's own. */
  at: z.string(),
  dir: z.enum(["in", "out", "local"]),
  /** The frame was sent by the case, not by a kernel. */
  inj: z.boolean().optional(),
  err: z.string().optional(),
  us: z.number().optional(),
  hex: z.string(),
});

/** One frame at one interface. */
export type Row = z.output<typeof rowSchema>;

const choiceSchema = z.union([
  z.object({
    step: z.int(),
    kind: z.literal("statistic"),
    ns: z.string(),
    table: z.string(),
    chain: z.string(),
    index: z.int(),
    hits: z.int(),
  }),
  z.object({
    step: z.int(),
    kind: z.literal("nat-port"),
    ns: z.string(),
    proto: z.string(),
    src: z.string(),
    sport: z.int(),
    dst: z.string(),
    dport: z.int(),
    new_sport: z.int(),
  }),
  z.object({
    step: z.int(),
    kind: z.literal("nat-id"),
    ns: z.string(),
    proto: z.string(),
    src: z.string(),
    dst: z.string(),
    id: z.int(),
    new_id: z.int(),
  }),
]);

export type Choice = z.output<typeof choiceSchema>;

export interface Recording {
  rows: Row[];
  choices: Choice[];
}

/** Reads `observed.jsonl` and `choices.jsonl` of a folder. Throws an InputError with file, line and field. */
export function readRecording(path: string): Recording {
  const choices = join(path, "choices.jsonl");
  return {
    rows: readLines(join(path, "observed.jsonl"), rowSchema, 1),
    choices: existsSync(choices) ? readLines(choices, choiceSchema, 0) : [],
  };
}

function readLines<T>(file: string, schema: z.ZodType<T>, skip: number): T[] {
  return readText(file)
    .split("\n")
    .flatMap((text, i) => {
      if (text === "" || i < skip) return [];
      const result = schema.safeParse(parseJson(text, file, i + 1));
      if (result.success) return [result.data];
      const field = result.error.issues[0]?.path.map(String).join(".");
      throw new InputError({ file, line: i + 1, field }, "this is not what a recording holds here");
    });
}

function parseJson(text: string, file: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InputError({ file, line }, "this is not JSON; every line holds one JSON object");
  }
}

const SYN = 2;
const TCP = 6;

/**
 * The initial sequence numbers that kernels chose in a step, in order: those of segments with SYN that the case did not
 * send itself.
 */
export function chosenSequences(recording: Recording, step: number): number[] {
  const own = new Set(recording.rows.filter((row) => row.inj && row.step <= step).map(({ hex }) => synSequence(hex)));
  const found = recording.rows.filter((row) => row.step === step && !row.inj && row.dir !== "local");
  const numbers = found.map(({ hex }) => synSequence(hex)).filter((number) => number !== undefined);
  return [...new Set(numbers)].filter((number) => !own.has(number));
}

function synSequence(hex: string): number | undefined {
  const frame = Buffer.from(hex, "hex");
  if (frame.length < 54 || frame.readUInt16BE(12) !== 0x0800 || frame[23] !== TCP) return undefined;
  const tcp = 14 + ((frame[14] ?? 0) & 15) * 4;
  if (tcp + 20 > frame.length || ((frame[tcp + 13] ?? 0) & SYN) === 0) return undefined;
  return frame.readUInt32BE(tcp + 4);
}
