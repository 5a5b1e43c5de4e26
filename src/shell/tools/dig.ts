// `dig`: a question to a name server, and its answer part by part, as BIND's tool prints them.
import { isIP } from "node:net";
import { reverseName } from "../../address6.ts";
import { searchNames } from "../../kubernetes/dns.ts";
import { ask, type Answer } from "../dns-client.ts";
import { TYPES, type Message, type RecordText } from "../dns-message.ts";
import { resolve, textOf } from "../names.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";
import { dateOf } from "./iptables.ts";

const VERSION = "9.18.49";
const NO_SERVER = 9;

interface Settings {
  name: string;
  type: string;
  server: string | undefined;
  port: number;
  flags: Map<string, boolean>;
  seconds: number;
  tries: number;
}

/** What +WORD and +noWORD may switch, with the default. */
const FLAGS: Readonly<Record<string, boolean>> = {
  short: false,
  tcp: false,
  recurse: true,
  edns: true,
  search: false,
  cmd: true,
  comments: true,
  question: true,
  answer: true,
  authority: true,
  additional: true,
  stats: true,
};
const PARTS = ["cmd", "comments", "question", "answer", "authority", "additional", "stats"];

export const dig: Tool = {
  usage:
    "dig [@SERVER] [-p PORT] [-t TYPE] [-x ADDR] NAME [TYPE] [+short] [+tcp] [+search] [+norecurse] [+noall +answer] [+time=S] [+tries=N]",
  async run(context, words) {
    const settings = readSettings(words);
    const { emulation, namespace, signal, out } = context;
    const short = settings.flags.get("short") ?? false;
    const shown = settings.server ?? namespace.resolver.nameservers[0] ?? "127.0.0.1";
    const server = await resolve(emulation, namespace, shown, signal);
    if (typeof server !== "number") throw new ToolError(`dig: couldn't get address for '${shown}': not found`, 10);
    const names = settings.flags.get("search") ? searchNames(namespace.resolver, settings.name) : [settings.name];
    const banner = (): void => {
      if (short || !settings.flags.get("cmd")) return;
      out(
        `\n; <<>> DiG ${VERSION} <<>> ${words.join(" ")}\n${settings.server === undefined ? "" : "; (1 server found)\n"};; global options: +cmd\n`,
      );
    };
    let answer: Answer | undefined;
    for (const name of names) {
      answer = await answerFor(context, settings, name, server);
      if (!answer || (answer.message.status === "NOERROR" && answer.message.answer.length > 0)) break;
    }
    banner();
    if (!answer) {
      out(";; no servers could be reached\n");
      return NO_SERVER;
    }
    if (short) for (const { data } of answer.message.answer) out(`${data}\n`);
    else printAnswer(context, settings, answer, server, shown);
    return 0;
  },
};

async function answerFor(
  context: Context,
  settings: Settings,
  name: string,
  server: number,
): Promise<Answer | undefined> {
  const { flags, port, seconds, tries } = settings;
  const question = { name, type: TYPES[settings.type] ?? 1, server, port, recursion: flags.get("recurse") ?? true };
  let tcp = flags.get("tcp") ?? false;
  for (let i = 0; i < tries; i++) {
    const found = await ask(context, { ...question, tcp, edns: flags.get("edns") ?? true, timeoutNs: seconds * 1e9 });
    if (typeof found === "string")
      context.out(`;; communications error to ${textOf(context, server)}#${port}: ${found}\n`);
    else if (found.message.flagNames.includes("tc") && !tcp) {
      context.out(";; Truncated, retrying in TCP mode.\n");
      tcp = true;
      i--;
    } else return found;
  }
  return undefined;
}

function readSettings(words: readonly string[]): Settings {
  const settings: Settings = {
    name: ".",
    type: "A",
    server: undefined,
    port: 53,
    flags: new Map(Object.entries(FLAGS)),
    seconds: 5,
    tries: 3,
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? "";
    const upper = word.toUpperCase();
    const next = (): string => {
      const value = words[++i];
      if (value === undefined) throw new ToolError(`dig: a word is missing behind ${word}`, 1);
      return value;
    };
    if (word.startsWith("@")) settings.server = word.slice(1);
    else if (word.startsWith("+")) readFlag(settings, word);
    else if (word === "-p") settings.port = Number(next());
    else if (word === "-t") settings.type = typeOf(next());
    else if (word === "-q") settings.name = next();
    else if (word === "-x") Object.assign(settings, { name: reverse(next()), type: "PTR" });
    else if (word.startsWith("-") && word !== "-4") throw new ToolError(`dig: option ${word} is not emulated`);
    else if (Object.hasOwn(TYPES, upper)) settings.type = upper;
    else if (upper !== "IN" && word !== "-4") settings.name = word;
  }
  return settings;
}

function typeOf(word: string): string {
  const type = word.toUpperCase();
  if (!Object.hasOwn(TYPES, type))
    throw new ToolError(`dig: type ${word} is not emulated; there are ${Object.keys(TYPES).join(", ")}`);
  return type;
}

function readFlag(settings: Settings, word: string): void {
  const [, name = "", value] = /^\+([a-z]+)(?:=(\d+))?$/.exec(word) ?? [];
  const plain = name.replace(/^no/, "");
  if (name === "time" && value !== undefined) settings.seconds = Math.max(1, Number(value));
  else if ((name === "tries" || name === "retry") && value !== undefined)
    settings.tries = Math.max(1, Number(value) + (name === "retry" ? 1 : 0));
  else if (plain === "all") for (const part of PARTS) settings.flags.set(part, name === "all");
  else if (plain === "rec" || plain === "vc") settings.flags.set(plain === "rec" ? "recurse" : "tcp", name === plain);
  else if (Object.hasOwn(FLAGS, plain)) settings.flags.set(plain, name === plain);
  // Cookies are not sent anyway.
  else if (plain !== "cookie") throw new ToolError(`dig: option ${word} is not emulated`);
}

function reverse(word: string): string {
  if (isIP(word) === 0) throw new ToolError(`dig: Invalid IP address ${word}`, 1);
  return reverseName(word);
}

function printAnswer(context: Context, { flags, port }: Settings, answer: Answer, server: number, shown: string): void {
  const { emulation, out } = context;
  const { message, tookNs, tcp } = answer;
  const wants = (part: string): boolean => flags.get(part) ?? true;
  if (wants("comments")) out(`${wants("cmd") ? ";; Got answer:\n" : ""}${headText(message)}`);
  const blocks: string[] = [];
  if (wants("comments") && message.edns !== undefined)
    blocks.push(`;; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: ${message.edns}\n`);
  const heads = wants("comments");
  if (wants("question")) {
    const lines = message.questions.map(({ name, type }) => `${columns([`;${name}`, "", "IN", type])}\n`);
    // No empty line between the pseudo section and the question.
    const text = `${heads ? ";; QUESTION SECTION:\n" : ""}${lines.join("")}`;
    const before = blocks.pop();
    blocks.push((before ?? "") + text);
  }
  for (const part of ["answer", "authority", "additional"] as const) {
    if (!wants(part) || message[part].length === 0) continue;
    const lines = message[part].map((record) => `${recordText(record)}\n`);
    blocks.push(`${heads ? `;; ${part.toUpperCase()} SECTION:\n` : ""}${lines.join("")}`);
  }
  out(heads ? blocks.map((block) => `\n${block}`).join("") : blocks.join(""));
  if (wants("stats"))
    out(
      `\n;; Query time: ${Math.floor(tookNs / 1e6)} msec\n;; SERVER: ${textOf(context, server)}#${port}(${shown}) (${tcp ? "TCP" : "UDP"})\n` +
        `;; WHEN: ${when(emulation.nowNs)}\n;; MSG SIZE  rcvd: ${message.bytes}\n\n`,
    );
  else if (heads) out("\n");
}

function headText(message: Message): string {
  const { id, status, flagNames, questions, answer, authority, additional, edns } = message;
  const counts = `QUERY: ${questions.length}, ANSWER: ${answer.length}, AUTHORITY: ${authority.length}, ADDITIONAL: ${additional.length + (edns === undefined ? 0 : 1)}`;
  const warning =
    flagNames.includes("rd") && !flagNames.includes("ra") ? ";; WARNING: recursion requested but not available\n" : "";
  return `;; ->>HEADER<<- opcode: QUERY, status: ${status}, id: ${id}\n;; flags: ${flagNames.join(" ")}; ${counts}\n${warning}`;
}

function recordText({ name, type, ttl, data }: RecordText): string {
  return columns([name, `${ttl}`, "IN", type, data]);
}

const TAB = 8;
/** Where the columns for the TTL, the class, the type and the data begin. */
const STARTS = [0, 24, 32, 40, 48];

/** Words in columns, set apart by tabs, or by one blank where a word is too long (indent in BIND's masterdump.c). */
function columns(words: readonly string[]): string {
  let text = "";
  let at = 0;
  words.forEach((word, i) => {
    if (word === "") return;
    if (i > 0) {
      const to = Math.max(STARTS[i] ?? 0, at + 1);
      const tabs = Math.max(0, Math.floor(to / TAB) - Math.floor(at / TAB));
      const from = tabs > 0 ? Math.floor(to / TAB) * TAB : at;
      text += "\t".repeat(tabs) + " ".repeat(to - from);
      at = to;
    }
    text += word;
    at += word.length;
  });
  return text;
}

/** `Thu Jan 01 00:00:01 UTC 2026`. */
function when(nowNs: number): string {
  const [day = "", date = "", month = "", year = "", time = ""] = dateOf(nowNs)
    .toUTCString()
    .replace(",", "")
    .split(" ");
  return `${day} ${month} ${date} ${time} UTC ${year}`;
}
