// `nslookup`: a name or an address asked of a name server, with the search list of the namespace.
import { isIP } from "node:net";
import { reverseName } from "../../address6.ts";
import { searchNames } from "../../kubernetes/dns.ts";
import { ask, type Answer } from "../dns-client.ts";
import { TYPES, type Message } from "../dns-message.ts";
import { resolve, textOf } from "../names.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const TRIES = 3;
const WAIT_NS = 5e9;

export const nslookup: Tool = {
  usage: "nslookup [-type=TYPE] NAME|ADDR [SERVER]",
  async run(context, words) {
    const options = words.filter((word) => word.startsWith("-"));
    const [name, serverWord, ...more] = words.filter((word) => !word.startsWith("-"));
    if (name === undefined || more.length > 0)
      throw new ToolError("nslookup: name what to look up, and perhaps a server");
    let types = ["A", "AAAA"];
    for (const option of options) {
      const type = /^-(?:type|query|q|querytype)=(\w+)$/.exec(option)?.[1]?.toUpperCase() ?? "";
      if (!Object.hasOwn(TYPES, type)) throw new ToolError(`nslookup: option ${option} is not emulated`);
      types = [type];
    }
    const { emulation, namespace, signal, out } = context;
    const shown = serverWord ?? namespace.resolver.nameservers[0] ?? "127.0.0.1";
    const server = await resolve(emulation, namespace, shown, signal);
    if (typeof server !== "number") throw new ToolError(`nslookup: couldn't get address for '${shown}': not found`, 1);
    const isAddress = isIP(name) !== 0;
    const asked = isAddress ? [reverseName(name)] : searchNames(namespace.resolver, name);
    const found = await lookUp(context, asked, isAddress ? ["PTR"] : types, server);
    if (found === undefined) {
      out(";; no servers could be reached\n\n");
      return 1;
    }
    if (!isAddress) out(`Server:\t\t${shown}\nAddress:\t${textOf(context, server)}#53\n\n`);
    const status = found.answers[0]?.status ?? "NOERROR";
    const records = found.answers.flatMap(({ answer }) => answer);
    if (records.length === 0) {
      const last = asked.at(-1) ?? name;
      out(
        status === "NOERROR"
          ? `*** Can't find ${name}: No answer\n\n`
          : `** server can't find ${isAddress ? found.name : last}: ${status}\n\n`,
      );
      return 1;
    }
    out(`${records.map(recordText).join("")}\n`);
    return 0;
  },
};

/** Name after name until one has an answer. */
async function lookUp(
  context: Context,
  names: readonly string[],
  types: readonly string[],
  server: number,
): Promise<{ name: string; answers: Message[] } | undefined> {
  let found: { name: string; answers: Message[] } | undefined;
  for (const name of names) {
    const answers: Message[] = [];
    for (const type of types) {
      const answer = await askThrice(context, name, type, server);
      if (answer === undefined) return undefined;
      answers.push(answer.message);
      // What has no A needs no AAAA.
      if (answer.message.status !== "NOERROR") break;
    }
    found = { name, answers };
    if (answers.some(({ answer }) => answer.length > 0)) return found;
  }
  return found;
}

async function askThrice(context: Context, name: string, type: string, server: number): Promise<Answer | undefined> {
  for (let i = 0; i < TRIES; i++) {
    const found = await ask(context, {
      name,
      type: TYPES[type] ?? 1,
      server,
      port: 53,
      tcp: false,
      recursion: true,
      edns: false,
      timeoutNs: WAIT_NS,
    });
    if (typeof found !== "string") return found;
    context.out(`;; communications error to ${textOf(context, server)}#53: ${found}\n`);
  }
  return undefined;
}

function recordText({ name, type, data }: Message["answer"][number]): string {
  const plain = name.replace(/\.$/, "");
  switch (type) {
    case "A":
    case "AAAA":
      return `Name:\t${plain}\nAddress: ${data}\n`;
    case "PTR":
      return `${plain}\tname = ${data}\n`;
    case "CNAME":
      return `${plain}\tcanonical name = ${data}\n`;
    case "SRV":
      return `${plain}\tservice = ${data}\n`;
    case "NS":
      return `${plain}\tnameserver = ${data}\n`;
    default:
      return `${plain}\t${type} = ${data}\n`;
  }
}
