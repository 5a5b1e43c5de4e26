// `ss`: listening sockets and TCP connections of a namespace, in the columns of iproute2.
import { bracketed } from "../../address6.ts";
import * as R from "../../../assembly/layout/records.ts";
import { textOf } from "../names.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Context, type Tool } from "../tool.ts";

const TCP = 6;
const UDP = 17;
const STATES = "CLOSED SYN-SENT SYN-RECV ESTAB FIN-WAIT-1 FIN-WAIT-2 CLOSE-WAIT LAST-ACK CLOSING TIME-WAIT".split(" ");
const SPEC = { t: "flag", u: "flag", n: "flag", l: "flag", p: "flag", a: "flag", H: "flag", "4": "flag" } as const;
const ALIAS = {
  tcp: "t",
  udp: "u",
  numeric: "n",
  listening: "l",
  processes: "p",
  all: "a",
  "no-header": "H",
  ipv4: "4",
};

interface Row {
  netid: "tcp" | "udp";
  state: string;
  queues: [string, string];
  local: string;
  port: string;
  peer: string;
  peerPort: string;
  process: string;
}

export const ss: Tool = {
  usage: "ss [-t] [-u] [-l] [-a] [-n] [-p] [-H]",
  run(context, words) {
    const given = readOptions("ss", words, SPEC, ALIAS);
    if (given.words.length > 0) throw new ToolError(`ss: filters such as ${given.words[0] ?? ""} are not emulated`);
    const both = given.has("t") === given.has("u");
    const wants = (row: Row): boolean => {
      const listens = row.state === "LISTEN" || row.state === "UNCONN";
      const kind = both || given.has(row.netid === "tcp" ? "t" : "u");
      return kind && (given.has("a") || (given.has("l") ? listens : !listens));
    };
    const rows = [...listeners(context), ...streams(context)].filter(wants);
    const key = ({ netid, state, port, local }: Row): string =>
      `${netid === "udp" ? 0 : 1} ${state === "LISTEN" ? 0 : 1} ${port.padStart(5)} ${local}`;
    rows.sort((a, b) => (key(a) < key(b) ? -1 : 1));
    context.out(format(rows, { netid: both, header: !given.has("H"), process: given.has("p") }));
    return 0;
  },
};

function addressText(context: Context, address: number): string {
  return bracketed(textOf(context, address));
}

function listeners(context: Context): Row[] {
  const { emulation, namespace } = context;
  const { kernel, scenario } = emulation;
  // Where there is IPv6 a socket that is bound to no address is of both families.
  const any = kernel.word(namespace.handle + R.NS_IPV6) === 0 ? "0.0.0.0" : "*";
  const known = scenario.plan.machines
    .flatMap((machine) => machine.listeners)
    .filter((one) => one.namespace === namespace.name);
  return kernel.records(kernel.word(namespace.handle + R.NS_SOCKETS)).flatMap((at): Row[] => {
    const protocol = kernel.word(at + R.SOCK_PROTO);
    if (protocol !== TCP && protocol !== UDP) return [];
    const netid = protocol === TCP ? "tcp" : "udp";
    const [local, port] = [kernel.word(at + R.SOCK_LOCAL), kernel.word(at + R.SOCK_LOCAL_PORT)];
    const remote = kernel.word(at + R.SOCK_REMOTE);
    const owner = known.find((one) => one.protocol === netid && one.port === port);
    return [
      {
        netid,
        state: netid === "tcp" ? "LISTEN" : remote === 0 ? "UNCONN" : "ESTAB",
        queues: ["0", netid === "tcp" ? "4096" : "0"],
        local: local === 0 ? any : addressText(context, local),
        port: `${port}`,
        peer: remote === 0 ? any : addressText(context, remote),
        peerPort: remote === 0 ? "*" : `${kernel.word(at + R.SOCK_REMOTE_PORT)}`,
        process: owner ? `users:(("${owner.process.replace(/^container /, "").replace(/,.*/, "")}"))` : "",
      },
    ];
  });
}

function streams(context: Context): Row[] {
  const { emulation, namespace } = context;
  const { kernel } = emulation;
  return kernel.records(kernel.word(namespace.handle + R.NS_STREAMS)).map((at): Row => {
    const ports = kernel.word(at + R.TCP_PORTS);
    const unsent = (kernel.word(at + R.TCP_WRITE_SEQ) - kernel.word(at + R.TCP_SND_UNA)) >>> 0;
    return {
      netid: "tcp",
      state: STATES[kernel.word(at + R.TCP_STATE)] ?? "UNKNOWN",
      queues: ["0", `${unsent}`],
      local: addressText(context, kernel.word(at + R.TCP_LOCAL)),
      port: `${ports >>> 16}`,
      peer: addressText(context, kernel.word(at + R.TCP_REMOTE)),
      peerPort: `${ports & 0xffff}`,
      process: "",
    };
  });
}

function format(rows: readonly Row[], show: { netid: boolean; header: boolean; process: boolean }): string {
  const heads = ["Netid", "State", "Recv-Q", "Send-Q", "Local Address", "Port", "Peer Address", "Port", "Process"];
  const cells = rows.map(({ netid, state, queues, local, port, peer, peerPort, process }) => [
    netid,
    state,
    ...queues,
    local,
    port,
    peer,
    peerPort,
    show.process ? process : "",
  ]);
  const all = show.header ? [heads, ...cells] : cells;
  const width = (i: number): number => Math.max(...all.map((row) => row[i]?.length ?? 0));
  return all
    .map((row) => {
      const cell = (i: number): string => (row[i] ?? "").padEnd(width(i));
      const address = (i: number): string =>
        `${(row[i] ?? "").padStart(width(i))}:${(row[i + 1] ?? "").padEnd(width(i + 1))}`;
      const left = [...(show.netid ? [cell(0)] : []), cell(1), cell(2), cell(3)];
      return `${[...left, address(4), address(6)].join(" ")}${row[8] ?? ""}\n`;
    })
    .join("");
}
