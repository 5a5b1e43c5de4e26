// A question to one name server, over UDP or TCP, asked again if nobody answers.
import { seedOf } from "../engine/random.ts";
import { decodeMessage, encodeQuery, type Message, type Question } from "./dns-message.ts";
import { readPacket } from "./packets.ts";
import { TcpStream } from "./stream.ts";
import type { Context } from "./tool.ts";

export interface Ask extends Question {
  server: number;
  port: number;
  tcp: boolean;
  recursion: boolean;
  edns: boolean;
  timeoutNs: number;
}

export interface Answer {
  message: Message;
  tookNs: number;
  tcp: boolean;
}

/** Asks once. What it says instead of an answer is dig's word for it. */
export async function ask(
  context: Context,
  question: Ask,
): Promise<Answer | "timed out" | "connection refused" | "network unreachable"> {
  const { emulation, namespace } = context;
  const startNs = emulation.nowNs;
  // dig draws a random id for every question.
  const seed = `dig ${namespace.name} ${startNs} ${question.name} ${question.type}`;
  const id = Number(seedOf(emulation.scenario.plan.seed, seed) & 0xffffn);
  const query = encodeQuery(id, question, question);
  const bytes = question.tcp ? await overTcp(context, question, query) : await overUdp(context, question, query, id);
  if (typeof bytes === "string") return bytes;
  return { message: decodeMessage(bytes), tookNs: emulation.nowNs - startNs, tcp: question.tcp };
}

type Failure = "timed out" | "connection refused" | "network unreachable";

async function overUdp(
  { emulation, namespace, signal }: Context,
  question: Ask,
  query: Buffer,
  id: number,
): Promise<Uint8Array | Failure> {
  const { programs } = emulation;
  const number = emulation.newNumber();
  const socket = programs.open(namespace.handle, question.server, question.port, number);
  const deadline = emulation.nowNs + question.timeoutNs;
  try {
    if (socket === undefined || !programs.send(socket, question.server, question.port, query))
      return "network unreachable";
    for (;;) {
      const mail = await emulation.mail(number, deadline, signal);
      if (!mail) return "timed out";
      if (mail.kind === "error") return "connection refused";
      const { body } = readPacket(mail.bytes);
      const payload = body.subarray(8, body.readUInt16BE(4));
      if (payload.length >= 12 && payload.readUInt16BE(0) === id) return payload;
    }
  } finally {
    if (socket !== undefined) programs.closeSocket(socket);
    emulation.forget(number);
  }
}

async function overTcp(context: Context, question: Ask, query: Buffer): Promise<Uint8Array | Failure> {
  const deadline = context.emulation.nowNs + question.timeoutNs;
  const stream = TcpStream.open(context, question.server, question.port);
  if (!stream) return "network unreachable";
  try {
    const ending = await stream.connected(deadline);
    if (ending !== undefined) return ending === "Connection refused" ? "connection refused" : "timed out";
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    stream.write(Buffer.concat([length, query]));
    let came = Buffer.alloc(0);
    while (came.length < 2 || came.length < 2 + came.readUInt16BE(0)) {
      const part = await stream.read(deadline);
      if (typeof part === "string") return "timed out";
      came = Buffer.concat([came, part]);
    }
    return came.subarray(2, 2 + came.readUInt16BE(0));
  } finally {
    stream.close();
  }
}
