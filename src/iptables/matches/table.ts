// The matches that podwire knows. A new one gets a file of its own beside this, and three lines here.
import type { Family } from "../addresses.ts";
import type { MatchExtension } from "../extension.ts";
import { addrtype, type AddrtypeMatch } from "./addrtype.ts";
import { comment, type CommentMatch } from "./comment.ts";
import { connlimit, type ConnlimitMatch } from "./connlimit.ts";
import { conntrack, type ConntrackMatch } from "./conntrack.ts";
import { dscp, type DscpMatch } from "./dscp.ts";
import { ecn, type EcnMatch } from "./ecn.ts";
import { hashlimit, type HashlimitMatch } from "./hashlimit.ts";
import { icmp, icmp6, type Icmp6Match, type IcmpMatch } from "./icmp.ts";
import { iprange, type IprangeMatch } from "./iprange.ts";
import { ipvs, type IpvsMatch } from "./ipvs.ts";
import { length, type LengthMatch } from "./length.ts";
import { limit, type LimitMatch } from "./limit.ts";
import { mac, type MacMatch } from "./mac.ts";
import { connmark, mark, type ConnmarkMatch, type MarkMatch } from "./mark.ts";
import { multiport, type MultiportMatch } from "./multiport.ts";
import { nfacct, type NfacctMatch } from "./nfacct.ts";
import { physdev, type PhysdevMatch } from "./physdev.ts";
import { pkttype, type PkttypeMatch } from "./pkttype.ts";
import { sctp, udp, type SctpMatch, type UdpMatch } from "./ports.ts";
import { quota, type QuotaMatch } from "./quota.ts";
import { recent, type RecentMatch } from "./recent.ts";
import { rpfilter, type RpfilterMatch } from "./rpfilter.ts";
import { set, type SetMatch } from "./set.ts";
import { state, type StateMatch } from "./state.ts";
import { statistic, type StatisticMatch } from "./statistic.ts";
import { tcp, type TcpMatch } from "./tcp.ts";
import { tos, type TosMatch } from "./tos.ts";
import { hl, ttl, type HlMatch, type TtlMatch } from "./ttl.ts";
import { u32, type U32Match } from "./u32.ts";

/** A match of a rule; `kind` is the word after `-m`. */
export type Match =
  | AddrtypeMatch
  | CommentMatch
  | ConnlimitMatch
  | ConnmarkMatch
  | ConntrackMatch
  | DscpMatch
  | EcnMatch
  | HashlimitMatch
  | HlMatch
  | Icmp6Match
  | IcmpMatch
  | IprangeMatch
  | IpvsMatch
  | LengthMatch
  | LimitMatch
  | MacMatch
  | MarkMatch
  | MultiportMatch
  | NfacctMatch
  | PhysdevMatch
  | PkttypeMatch
  | QuotaMatch
  | RecentMatch
  | RpfilterMatch
  | SctpMatch
  | SetMatch
  | StateMatch
  | StatisticMatch
  | TcpMatch
  | TosMatch
  | TtlMatch
  | U32Match
  | UdpMatch;

const MATCHES: readonly MatchExtension<Match>[] = [
  addrtype,
  comment,
  connlimit,
  connmark,
  conntrack,
  dscp,
  ecn,
  hashlimit,
  hl,
  icmp,
  icmp6,
  iprange,
  ipvs,
  length,
  limit,
  mac,
  mark,
  multiport,
  nfacct,
  physdev,
  pkttype,
  quota,
  recent,
  rpfilter,
  sctp,
  set,
  state,
  statistic,
  tcp,
  tos,
  ttl,
  u32,
  udp,
];

const BY_NAME = new Map(
  MATCHES.flatMap((match) => [match.name, ...(match.aliases ?? [])].map((name) => [name, match])),
);

/** The match of that name, if it is supported; with `family`, by rules of that. */
export function findMatch(name: string, family?: Family): MatchExtension<Match> | undefined {
  const match = BY_NAME.get(name);
  return isOf(match, family) ? match : undefined;
}

/** The match that `-p` with this protocol number stands for. */
export function findProtocolMatch(protocol: number, family: Family): MatchExtension<Match> | undefined {
  return MATCHES.find((match) => match.protocol === protocol && isOf(match, family));
}

function isOf(match: MatchExtension<Match> | undefined, family: Family | undefined): boolean {
  return match?.family === undefined || family === undefined || match.family === family;
}
