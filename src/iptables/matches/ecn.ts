// -m ecn: the explicit congestion notification bits of the IP and TCP headers.
import {
  MATCH_ECN_NOT_CWR,
  MATCH_ECN_NOT_ECE,
  MATCH_ECN_NOT_IP,
  MATCH_ECN_TEST_CWR,
  MATCH_ECN_TEST_ECE,
  MATCH_ECN_TEST_IP,
  MATCH_KIND_ECN,
} from "../../../assembly/layout/rules.ts";
import type { MatchExtension } from "../extension.ts";
import { PROTO_TCP } from "../protocols.ts";
import { not } from "../values.ts";

export interface EcnMatch {
  kind: "ecn";
  ece?: { inverted: boolean };
  cwr?: { inverted: boolean };
  ect?: { value: number; inverted: boolean };
}

export const ecn: MatchExtension<EcnMatch> = {
  name: "ecn",
  options: [
    { name: "ecn-tcp-ece", words: 0, invertible: true },
    { name: "ecn-tcp-cwr", words: 0, invertible: true },
    { name: "ecn-ip-ect", invertible: true },
  ],
  parse(options, rule) {
    options.needAny(["ecn-tcp-ece", "ecn-tcp-cwr", "ecn-ip-ect"]);
    const isTcp = rule.protocol?.number === PROTO_TCP && !rule.protocol.inverted;
    for (const name of ["ecn-tcp-ece", "ecn-tcp-cwr"])
      if (options.has(name) && !isTcp) options.fail(name, `--${name} needs -p tcp`);
    const match: EcnMatch = { kind: "ecn" };
    const value = options.number("ecn-ip-ect", 3);
    if (options.has("ecn-tcp-ece")) match.ece = { inverted: options.inverted("ecn-tcp-ece") };
    if (options.has("ecn-tcp-cwr")) match.cwr = { inverted: options.inverted("ecn-tcp-cwr") };
    if (value !== undefined) match.ect = { value, inverted: options.inverted("ecn-ip-ect") };
    return match;
  },
  print(match) {
    let text = "";
    if (match.ece) text += ` ${not(match.ece.inverted)}--ecn-tcp-ece`;
    if (match.cwr) text += ` ${not(match.cwr.inverted)}--ecn-tcp-cwr`;
    if (match.ect) text += ` ${not(match.ect.inverted)}--ecn-ip-ect ${match.ect.value}`;
    return text;
  },
  compile: (match) => [
    {
      kind: MATCH_KIND_ECN,
      flags:
        (match.ect ? MATCH_ECN_TEST_IP : 0) |
        (match.ect?.inverted ? MATCH_ECN_NOT_IP : 0) |
        (match.ece ? MATCH_ECN_TEST_ECE : 0) |
        (match.ece?.inverted ? MATCH_ECN_NOT_ECE : 0) |
        (match.cwr ? MATCH_ECN_TEST_CWR : 0) |
        (match.cwr?.inverted ? MATCH_ECN_NOT_CWR : 0),
      args: [match.ect?.value ?? 0],
    },
  ],
};
