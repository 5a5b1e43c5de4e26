// The targets that podwire knows. A new one gets a file of its own beside this, and three lines here.
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
import { ttl, type TtlTarget } from "./ttl.ts";
import { accept, drop, return_, type VerdictTarget } from "./verdict.ts";

/** A target that is not a chain; `kind` is the word after `-j`. */
export type ExtensionTarget =
  | ConnmarkTarget
  | CtTarget
  | DscpTarget
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

/** The target of that name, if it is supported. */
export function findTarget(name: string): TargetExtension<ExtensionTarget> | undefined {
  return BY_NAME.get(name);
}

/** Whether Linux has a target of that name that is not supported here. */
export function isUnsupportedTarget(name: string): boolean {
  return UNSUPPORTED.has(name);
}
