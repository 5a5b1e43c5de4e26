// A recording of a case: the frames that every interface saw, and what the kernel chose at random. A replay follows it.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { InputError } from "../errors.ts";
import { readText } from "./case.ts";
import { ip6Of } from "./packet6.ts";

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

const headSchema = z.object({ copied: z.boolean().default(false) });

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
    kind: z.literal("nat-destination-port"),
    ns: z.string(),
    proto: z.string(),
    src: z.string(),
    sport: z.int(),
    dst: z.string(),
    dport: z.int(),
    new_dport: z.int(),
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

const stateSchema = z.object({
  step: z.int(),
  /** By namespace: what became of its connections in the step. */
  conntrack: z.record(z.string(), z.array(z.object({ event: z.string(), entry: z.string() }))).default({}),
});

export interface Recording {
  /**
   * Whether the recorder copied each frame as it passed. One that did not read fragments after the kernel had written new headers
   * into them; then so does the replay.
   */
  copied: boolean;
  rows: Row[];
  choices: Choice[];
}

/** Reads `observed.jsonl`, `choices.jsonl` and `state.jsonl` of a folder; only the first must be there. Throws an InputError with file, line and field. */
export function readRecording(path: string): Recording {
  const optional = <T>(name: string, schema: z.ZodType<T>): T[] => {
    const file = join(path, name);
    return existsSync(file) ? readLines(file, schema, 0) : [];
  };
  const [head = "{}"] = readText(join(path, "observed.jsonl")).split("\n", 1);
  return {
    copied: headSchema.parse(parseJson(head, join(path, "observed.jsonl"), 1)).copied,
    rows: readLines(join(path, "observed.jsonl"), rowSchema, 1),
    choices: [
      ...optional("choices.jsonl", choiceSchema),
      ...optional("state.jsonl", stateSchema).flatMap((state) => destinationPorts(state)),
    ],
  };
}

/** `udp src=10.0.0.2 dst=10.0.0.1 sport=9 dport=53 [UNREPLIED] src=10.1.0.2 dst=10.0.0.2 sport=8001 dport=9 mark=0` */
const ENTRY = /^(\S+) .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=\S+ dst=\S+ sport=(\d+) dport=\d+/;

/** The destination ports that translation picked for the new connections of a step; `choices.jsonl` has only those of sources. */
function destinationPorts({ step, conntrack }: z.output<typeof stateSchema>): Choice[] {
  return Object.entries(conntrack).flatMap(([ns, moves]) =>
    moves.flatMap(({ event, entry }): Choice[] => {
      const [, proto = "", src = "", dst = "", sport, dport, picked] = ENTRY.exec(entry) ?? [];
      if (event !== "new" || picked === dport) return [];
      const ports = { sport: Number(sport), dport: Number(dport), new_dport: Number(picked) };
      return [{ step, kind: "nat-destination-port", ns, proto, src, dst, ...ports }];
    }),
  );
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
const UDP = 17;
const ETHERNET = 14;
const UDP_HEADER = 8;
const VXLAN = 8;
const TUNNEL_PORTS: ReadonlySet<number> = new Set([4789, 8472]);

/**
 * The initial sequence numbers that kernels chose in a step, in order: those of segments with SYN that the case did not
 * send itself. If several namespaces sent some first, `namespace` gets its own.
 */
export function chosenSequences(recording: Recording, step: number, namespace: string): number[] {
  const own = new Set(recording.rows.filter((row) => row.inj && row.step <= step).map(synSequence));
  const senders = new Map<number, string>();
  for (const row of recording.rows) {
    const number = row.step === step && !row.inj && row.dir !== "local" ? synSequence(row) : undefined;
    if (number === undefined || own.has(number) || senders.has(number)) continue;
    senders.set(number, row.dir === "out" ? row.at.slice(0, row.at.indexOf(":")) : "");
  }
  const several = senders.size > 1 && [...senders.values()].every((name) => name !== "");
  return [...senders].filter(([, sender]) => !several || sender === namespace).map(([number]) => number);
}

/** The sequence number of a segment with SYN, also of one in a tunnel; undefined for other frames. */
function synSequence({ dir, hex }: Row): number | undefined {
  const bytes = Buffer.from(hex, "hex");
  return sequenceIn(bytes, dir === "local" ? 0 : networkOf(bytes));
}

/** Where the IP header of a frame begins; its length if there is none. */
function networkOf(frame: Buffer): number {
  return frame.length >= ETHERNET && [0x0800, 0x86dd].includes(frame.readUInt16BE(12)) ? ETHERNET : frame.length;
}

function sequenceIn(bytes: Buffer, ip: number): number | undefined {
  const six = ip6Of(bytes, ip);
  if (six) return six.protocol === TCP && six.isFirst ? ofSegment(bytes, six.l4) : undefined;
  const l4 = ip + ((bytes[ip] ?? 0) & 15) * 4;
  if (
    bytes[ip + 9] === UDP &&
    l4 + UDP_HEADER + VXLAN <= bytes.length &&
    TUNNEL_PORTS.has(bytes.readUInt16BE(l4 + 2))
  ) {
    const inner = bytes.subarray(l4 + UDP_HEADER + VXLAN);
    return sequenceIn(inner, networkOf(inner));
  }
  return bytes[ip + 9] === TCP ? ofSegment(bytes, l4) : undefined;
}

function ofSegment(bytes: Buffer, l4: number): number | undefined {
  if (l4 + 20 > bytes.length || ((bytes[l4 + 13] ?? 0) & SYN) === 0) return undefined;
  return bytes.readUInt32BE(l4 + 4);
}
