// `nc -z`: whether a port takes connections, in the words of OpenBSD's netcat.
import { resolve, textOf } from "../names.ts";
import { numberOption, readOptions } from "../options.ts";
import { TcpStream } from "../stream.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const SERVICES: Readonly<Record<number, string>> = {
  22: "ssh",
  53: "domain",
  80: "http",
  443: "https",
  8080: "http-alt",
  6379: "redis",
};
const UDP_WAIT_NS = 1e9;
const LONGEST_S = 300;

interface Target {
  name: string;
  address: number;
  port: number;
  waitNs: number;
  udp: boolean;
}

export const nc: Tool = {
  usage: "nc -z [-v] [-u] [-w SECONDS] HOST PORT[-PORT]",
  async run(context, words) {
    const given = readOptions("nc", words, { z: "flag", v: "flag", u: "flag", n: "flag", w: "value", "4": "flag" });
    const [name, ports, ...more] = given.words;
    if (!given.has("z")) throw new ToolError("nc: only -z is emulated: whether a port takes connections");
    if (name === undefined || ports === undefined || more.length > 0)
      throw new ToolError("nc: name a host and a port", 1);
    const [, low = "", high = low] = /^(\d+)(?:-(\d+))?$/.exec(ports) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === "" || last > 65535 || first > last || first === 0)
      throw new ToolError(`nc: port number invalid: ${ports}`, 1);
    const { emulation, namespace, signal, err } = context;
    const address = await resolve(emulation, namespace, name, signal);
    if (typeof address !== "number")
      throw new ToolError(
        `nc: getaddrinfo for host "${name}" port ${ports}: ${address === "unknown" ? "Name or service not known" : "Temporary failure in name resolution"}`,
        1,
      );
    const waitNs = (numberOption("nc", given, "w", 1) ?? LONGEST_S) * 1e9;
    let status = 1;
    for (let port = first; port <= last && !signal.aborted; port++) {
      const target = { name, address, port, waitNs, udp: given.has("u") };
      const failure = given.has("u") ? await tryDatagram(context, target) : await tryConnection(context, target);
      if (failure === undefined) status = 0;
      if (given.has("v")) err(say(context, target, failure));
    }
    return status;
  },
};

function say(context: Context, { name, address, port, udp }: Target, failure: string | undefined): string {
  const kind = udp ? "udp" : "tcp";
  const shown = textOf(context, address);
  const where = name === shown ? name : `${name} (${shown})`;
  if (failure === undefined)
    return `Connection to ${where} ${port} port [${kind}/${SERVICES[port] ?? "*"}] succeeded!\n`;
  // It says nothing of a datagram that was refused.
  if (udp) return "";
  return failure === "too late"
    ? `nc: connect to ${where} port ${port} (${kind}) timed out: Operation now in progress\n`
    : `nc: connect to ${where} port ${port} (${kind}) failed: ${failure}\n`;
}

async function tryConnection(context: Context, { address, port, waitNs }: Target): Promise<string | undefined> {
  const stream = TcpStream.open(context, address, port);
  if (!stream) return "Network is unreachable";
  const ending = await stream.connected(context.emulation.nowNs + waitNs);
  stream.close();
  return ending;
}

/** A datagram that nobody refuses counts as taken. */
async function tryDatagram(
  { emulation, namespace, signal }: Context,
  { address, port }: Target,
): Promise<string | undefined> {
  const number = emulation.newNumber();
  const socket = emulation.programs.open(namespace.handle, address, port, number);
  const sent = socket !== undefined && emulation.programs.send(socket, address, port, Buffer.from("X"));
  const mail = sent ? await emulation.mail(number, emulation.nowNs + UDP_WAIT_NS, signal) : undefined;
  if (socket !== undefined) emulation.programs.closeSocket(socket);
  emulation.forget(number);
  if (!sent) return "Network is unreachable";
  return mail?.kind === "error" ? "Connection refused" : undefined;
}
