// The conntrack command, as far as steps of cases use it: deleting connections by what they are.
import * as codes from "../../assembly/layout/codes.ts";
import * as R from "../../assembly/layout/records.ts";
import { isNumberOfIpv6, type Handle, type Kernel } from "../kernel/kernel.ts";
import type { Network } from "./build.ts";
import { numberOf } from "./family.ts";

type Test = (kernel: Kernel, entry: Handle) => boolean;

/** The protocols of connections, by the names that the tools have for them. */
export const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 };

/** The options that choose connections; each takes a word, which `parse` turns into a number. */
const OPTIONS: Readonly<
  Record<string, { parse(word: string, kernel: Kernel): number | undefined; test(value: number): Test }>
> = {
  "-f": {
    parse: (word) => ({ ipv4: 0, ipv6: 1 })[word],
    test: (six) => (kernel, entry) => Number(isNumberOfIpv6(kernel.word(entry + R.CT_ORIGINAL + R.TUPLE_SRC))) === six,
  },
  "-p": { parse: (word) => PROTOCOL_NUMBERS[word], test: field(R.CT_ORIGINAL + R.TUPLE_PROTO) },
  "--orig-src": { parse: address, test: field(R.CT_ORIGINAL + R.TUPLE_SRC) },
  "--orig-dst": { parse: address, test: field(R.CT_ORIGINAL + R.TUPLE_DST) },
  "--reply-src": { parse: address, test: field(R.CT_REPLY + R.TUPLE_SRC) },
  "--reply-dst": { parse: address, test: field(R.CT_REPLY + R.TUPLE_DST) },
  "--orig-port-src": { parse: parsePort, test: (port) => (kernel, entry) => portsOf(kernel, entry) >>> 16 === port },
  "--orig-port-dst": {
    parse: parsePort,
    test: (port) => (kernel, entry) => (portsOf(kernel, entry) & 0xffff) === port,
  },
  "--dst-nat": { parse: address, test: translated(codes.IPS_DST_NAT, R.TUPLE_SRC) },
  "--src-nat": { parse: address, test: translated(codes.IPS_SRC_NAT, R.TUPLE_DST) },
};

/** `conntrack -D OPTIONS` in a namespace. Throws an InputError for other words. */
export function deleteConnections(network: Network, namespace: string, args: string): void {
  const [command, ...words] = args.split(/\s+/);
  if (command !== "-D") network.refuse(`conntrack ${command} is not emulated yet`);
  const tests: Test[] = [];
  for (let i = 0; i < words.length; i += 2) {
    const [name = "", word = ""] = words.slice(i);
    const option = OPTIONS[name];
    if (!option) network.refuse(`conntrack -D ${name} is not emulated yet`);
    const value = option.parse(word, network.kernel);
    if (value === undefined) network.refuse(`conntrack -D ${name}: "${word}" should be what the option takes`);
    tests.push(option.test(value));
  }
  const { kernel } = network;
  for (const record of kernel.connections(network.namespace(namespace))) {
    if (tests.every((test) => test(kernel, record))) kernel.calls.removeConnection(record);
  }
}

function address(word: string, kernel: Kernel): number | undefined {
  return numberOf(kernel, word);
}

function field(offset: number): (value: number) => Test {
  return (value) => (kernel, entry) => kernel.word(entry + offset) === value;
}

/** Connections with such a translation whose replies have the address. */
function translated(bit: number, offset: number): (value: number) => Test {
  return (value) => (kernel, entry) =>
    (kernel.word(entry + R.CT_STATUS) & bit) !== 0 && kernel.word(entry + R.CT_REPLY + offset) === value;
}

function portsOf(kernel: Kernel, entry: Handle): number {
  return kernel.word(entry + R.CT_ORIGINAL + R.TUPLE_PORTS);
}

function parsePort(word: string): number | undefined {
  return /^\d{1,5}$/.test(word) && Number(word) < 65536 ? Number(word) : undefined;
}
