// Which of a name's addresses is called: the order that getaddrinfo gives them, RFC 6724 with the tables built into glibc
// (sysdeps/posix/getaddrinfo.c), which are those of RFC 3484 and a label for unique local addresses.
//
// Rules 2 and 8 (scope) have no part in it, as names here lead to addresses of global scope, nor have rules 3, 4 and 7. Of several IPv4
// addresses the first is called.
import * as routing from "../ip/route-packet.ts";
import { bytesOf, isSix } from "../memory/addresses.ts";
import { get16, get32 } from "../memory/bytes.ts";
import { commonBits, isLinkLocal } from "../wire/ipv6.ts";

/** The address that packets to another would come from, 0: there is none that reaches so far, or no way. */
function sourceFor(ns: usize, address: u32): u32 {
  if (routing.outgoing(ns, address) == routing.TO_NOWHERE) return 0;
  return isSix(address) && isLinkLocal(routing.source) ? 0 : routing.source;
}

/** Whether all but the last 32 bits are zero: ::/96. */
function isCompatible(at: usize): bool {
  return !get32(at) && !get32(at + 4) && !get32(at + 8);
}

function isLoopback(at: usize): bool {
  return isCompatible(at) && get32(at + 12) == 1;
}

function labelOf(address: u32): u32 {
  if (!isSix(address)) return 4;
  const at = bytesOf(address);
  const first = get16(at);
  if (isCompatible(at)) return isLoopback(at) ? 0 : 3;
  if (first == 0x2002) return 2; // 6to4
  if (first == 0x2001 && !get16(at + 2)) return 7; // Teredo
  if ((first & 0xffc0) == 0xfec0) return 5; // site-local
  return (first & 0xfe00) == 0xfc00 ? 6 : 1; // unique local
}

function precedenceOf(address: u32): u32 {
  if (!isSix(address)) return 10;
  const at = bytesOf(address);
  if (isCompatible(at)) return isLoopback(at) ? 50 : 20;
  return get16(at) == 0x2002 ? 30 : 40;
}

/** Whether `other` is called rather than `known`, which came before it. */
export function isBetter(ns: usize, known: u32, other: u32): bool {
  const otherSource = sourceFor(ns, other);
  if (!otherSource) return false;
  const source = sourceFor(ns, known);
  if (!source) return true;
  const fits = labelOf(source) == labelOf(known);
  const otherFits = labelOf(otherSource) == labelOf(other);
  if (fits != otherFits) return otherFits;
  const precedence = precedenceOf(known);
  const otherPrecedence = precedenceOf(other);
  if (precedence != otherPrecedence) return otherPrecedence > precedence;
  return isSix(known) && commonBits(otherSource, other) > commonBits(source, known);
}
