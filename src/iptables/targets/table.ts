// The targets that podwire knows. A new one gets a file of its own beside this, and three lines here.
import type { Family } from "../addresses.ts";
import type { TargetExtension } from "../extension.ts";
import type { ChainTarget } from "./chain.ts";
import { connmark, type ConnmarkTarget } from "./connmark.ts";
import { ct, notrack, type CtTarget, type NotrackTarget } from "./ct.ts";
import { dscp, tos, type DscpTarget, type TosTarget } from "./dsfield.ts";
import { log, nflog, type LogTarget, type NflogTarget } from "./log.ts";
import { mark, type MarkTarget } from "./mark.ts";
import { dnat, masquerade, redirect, snat, type NatTarget } from "./nat.ts";
import { netmap, type NetmapTarget } from "./netmap.ts";
import { reject, type RejectTarget } from "./reject.ts";
import { set, type SetTarget } from "./set.ts";
import { tcpmss, type TcpmssTarget } from "./tcpmss.ts";
import { hl, ttl, type HlTarget, type TtlTarget } from "./ttl.ts";
import { accept, drop, return_, type VerdictTarget } from "./verdict.ts";

/** A target that is not a chain; `kind` is the word after `-j`. */
export type ExtensionTarget =
  | ConnmarkTarget
  | CtTarget
  | DscpTarget
  | HlTarget
  | LogTarget
  | MarkTarget
  | NatTarget
  | NetmapTarget
  | NflogTarget
  | NotrackTarget
  | RejectTarget
  | SetTarget
  | TcpmssTarget
  | TosTarget
  | TtlTarget
  | VerdictTarget;

export type Target = ExtensionTarget | ChainTarget;

const TARGETS: readonly TargetExtension<ExtensionTarget>[] = [
  accept,
  connmark,
  ct,
  dnat,
  drop,
  dscp,
  hl,
  log,
  mark,
  masquerade,
  netmap,
  nflog,
  notrack,
  redirect,
  reject,
  return_,
  set,
  snat,
  tcpmss,
  tos,
  ttl,
];

const BY_NAME = new Map(TARGETS.map((target) => [target.name as string, target]));

// Targets of Linux that are not emulated, so that they are not taken for chains.
const UNSUPPORTED: ReadonlySet<string> = new Set([
  "AUDIT",
  "CHECKSUM",
  "CLASSIFY",
  "CLUSTERIP",
  "CONNSECMARK",
  "ECN",
  "HMARK",
  "IDLETIMER",
  "LED",
  "NFQUEUE",
  "QUEUE",
  "RATEEST",
  "SECMARK",
  "SYNPROXY",
  "TCPOPTSTRIP",
  "TEE",
  "TPROXY",
  "TRACE",
  "ULOG",
]);

// Those that only rules of IPv6 have.
const UNSUPPORTED6: ReadonlySet<string> = new Set(["DNPT", "SNPT"]);

/** The target of that name, if it is supported; with `family`, by rules of that. */
export function findTarget(name: string, family?: Family): TargetExtension<ExtensionTarget> | undefined {
  const target = BY_NAME.get(name);
  return target?.family === undefined || family === undefined || target.family === family ? target : undefined;
}

/** Whether Linux has a target of that name that is not supported here, or none for rules of this family. */
export function isUnsupportedTarget(name: string, family: Family): boolean {
  return (
    UNSUPPORTED.has(name) ||
    (family === "ipv6" && UNSUPPORTED6.has(name)) ||
    (BY_NAME.has(name) && !findTarget(name, family))
  );
}
