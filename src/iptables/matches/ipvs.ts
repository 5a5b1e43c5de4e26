// -m ipvs: ip_vs has sent the packet on, as one of a connection to a virtual service.
import {
  MATCH_INVERT,
  MATCH_IPVS_ADDRESS,
  MATCH_IPVS_CONNECTION,
  MATCH_IPVS_NOT_ADDRESS,
  MATCH_IPVS_NOT_PORT,
  MATCH_IPVS_NOT_PROTO,
  MATCH_IPVS_PORT,
  MATCH_IPVS_PROTO,
  MATCH_KIND_IPVS,
} from "../../../assembly/layout/rules.ts";
import { formatBareNetwork, NETWORK_WORDS, parseNetwork, type Network } from "../addresses.ts";
import type { MatchExtension } from "../extension.ts";
import { parseProtocol } from "../protocols.ts";
import { not, parseNumber } from "../values.ts";

interface Test<T> {
  value: T;
  inverted: boolean;
}

export interface IpvsMatch {
  kind: "ipvs";
  /** Whether it is any connection's; what follows asks for one that is. */
  any?: { inverted: boolean };
  protocol?: Test<number>;
  address?: Test<Network>;
  port?: Test<number>;
}

const OPTIONS = ["ipvs", "vproto", "vaddr", "vport"];

/** `--vdir`, `--vmethod` and `--vportctl` are not known. */
export const ipvs: MatchExtension<IpvsMatch> = {
  name: "ipvs",
  family: "ipv4",
  options: [
    { name: "ipvs", words: 0, invertible: true },
    { name: "vproto", invertible: true },
    { name: "vaddr", invertible: true },
    { name: "vport", invertible: true },
  ],
  parse(options) {
    options.needAny(OPTIONS);
    const test = <T>(name: string, what: string, read: (word: string) => T | undefined): Test<T> | undefined => {
      const value = options.read(name, what, read);
      return value === undefined ? undefined : { value, inverted: options.inverted(name) };
    };
    const protocol = test("vproto", "a protocol such as tcp", parseProtocol);
    const address = test("vaddr", NETWORK_WORDS.ipv4, (word) => parseNetwork(word, "ipv4"));
    const port = test("vport", "a port from 0 to 65535", (word) => parseNumber(word, 65535));
    return {
      kind: "ipvs",
      ...(options.has("ipvs") && { any: { inverted: options.inverted("ipvs") } }),
      ...(protocol && { protocol }),
      ...(address && { address }),
      ...(port && { port }),
    };
  },
  print: ({ any, protocol, address, port }) =>
    (any ? ` ${not(any.inverted)}--ipvs` : "") +
    (protocol ? ` ${not(protocol.inverted)}--vproto ${protocol.value}` : "") +
    (address ? ` ${not(address.inverted)}--vaddr ${formatBareNetwork(address.value)}` : "") +
    (port ? ` ${not(port.inverted)}--vport ${port.value}` : ""),
  compile: ({ any, protocol, address, port }) => [
    {
      kind: MATCH_KIND_IPVS,
      flags:
        (any?.inverted ? MATCH_INVERT : 0) |
        (protocol || address || port ? MATCH_IPVS_CONNECTION : 0) |
        (protocol ? MATCH_IPVS_PROTO : 0) |
        (protocol?.inverted ? MATCH_IPVS_NOT_PROTO : 0) |
        (address ? MATCH_IPVS_ADDRESS : 0) |
        (address?.inverted ? MATCH_IPVS_NOT_ADDRESS : 0) |
        (port ? MATCH_IPVS_PORT : 0) |
        (port?.inverted ? MATCH_IPVS_NOT_PORT : 0),
      args: [
        protocol?.value ?? 0,
        Number(address?.value.value ?? 0),
        Number(address?.value.mask ?? 0),
        port?.value ?? 0,
      ],
    },
  ],
};
