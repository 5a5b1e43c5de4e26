// An HTTP/1.1 request as a reverse proxy sees it: its host and path, the location that they lead to, and its head as it goes on.
import {
  CHUNK_MAX,
  HOST_ANY,
  HOST_EXACT,
  LOCATION_EXACT,
  LOCATION_HOST,
  LOCATION_HOST_KIND,
  LOCATION_HOST_LENGTH,
  LOCATION_PATH,
  LOCATION_PATH_LENGTH,
  LOCATION_SIZE,
  INGRESS_FIRST,
  INGRESS_LOCATIONS,
} from "../layout/ingress.ts";
import { NS_RANDOM, TCP_NAMESPACE, TCP_PORTS, TCP_REMOTE } from "../layout/records.ts";
import * as addresses from "../memory/addresses.ts";
import { get16 } from "../memory/bytes.ts";
import { next32 } from "../memory/random.ts";

let path: usize = 0;
let pathLength: i32 = 0;
let host: usize = 0; // without the port
let hostLength: i32 = 0;
let hostField: i32 = 0; // length of the whole field
let lines: usize = 0; // the first line after the request line
let end: usize = 0; // the empty line

const LF: u8 = 10;
const CR: u8 = 13;
const SPACE: u8 = 32;
const SLASH: u8 = 47;
const COLON: u8 = 58;
const QUESTION: u8 = 63;
const BRACKET: u8 = 91;
const BRACKET_END: u8 = 93;

// Names of fields that the proxy writes itself or does not pass on, in lower case, each behind its length; 0 ends the list.
// prettier-ignore
const OWN = memory.data<u8>([
  4, 104, 111, 115, 116, // host
  10, 99, 111, 110, 110, 101, 99, 116, 105, 111, 110, // connection
  9, 120, 45, 114, 101, 97, 108, 45, 105, 112, // x-real-ip
  15, 120, 45, 102, 111, 114, 119, 97, 114, 100, 101, 100, 45, 102, 111, 114, // x-forwarded-for
  16, 120, 45, 102, 111, 114, 119, 97, 114, 100, 101, 100, 45, 104, 111, 115, 116, // x-forwarded-host
  16, 120, 45, 102, 111, 114, 119, 97, 114, 100, 101, 100, 45, 112, 111, 114, 116, // x-forwarded-port
  17, 120, 45, 102, 111, 114, 119, 97, 114, 100, 101, 100, 45, 112, 114, 111, 116, 111, // x-forwarded-proto
  18, 120, 45, 102, 111, 114, 119, 97, 114, 100, 101, 100, 45, 115, 99, 104, 101, 109, 101, // x-forwarded-scheme
  8, 120, 45, 115, 99, 104, 101, 109, 101, // x-scheme
  0,
]);
const HOST_NAME: usize = OWN + 1;

function lower(byte: u8): u8 {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** Reads a head of `length` bytes with its empty line; false: it is no HTTP/1.1 request for a path of a host. */
export function parse(at: usize, length: i32): bool {
  const last = at + <usize>length;
  end = last - 2;
  path = at;
  while (path < end && load<u8>(path) != SPACE) path++;
  path++;
  if (path >= end || load<u8>(path) != SLASH) return false;
  let p = path;
  while (p < end && load<u8>(p) != SPACE && load<u8>(p) != QUESTION) p++;
  pathLength = <i32>(p - path);
  lines = nextLine(at);
  host = 0;
  for (let line = lines; line < end; line = nextLine(line)) {
    if (!isNamed(line, HOST_NAME, 4)) continue;
    host = line + 5;
    while (host < end && load<u8>(host) == SPACE) host++;
    p = host;
    // The colons of an IPv6 address stand in brackets.
    if (load<u8>(p) == BRACKET) while (p < end && load<u8>(p) != CR && load<u8>(p) != BRACKET_END) p++;
    while (p < end && load<u8>(p) != CR && load<u8>(p) != COLON) p++;
    hostLength = <i32>(p - host);
    while (p < end && load<u8>(p) != CR) p++;
    hostField = <i32>(p - host);
  }
  return host != 0;
}

/** Where the line after the one at `at` begins. */
function nextLine(at: usize): usize {
  let p = at;
  while (p < end && load<u8>(p) != LF) p++;
  return p + 1;
}

/** Whether the field of a line has this name of `length` characters, given in lower case. */
function isNamed(line: usize, name: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (lower(load<u8>(line + i)) != load<u8>(name + i)) return false;
  return load<u8>(line + <usize>length) == COLON;
}

/** The first location of a table that the request's host and path fit, 0: none. */
export function locate(table: usize): usize {
  let location = table + INGRESS_FIRST;
  for (let left = load<u32>(table, INGRESS_LOCATIONS); left; left--, location += LOCATION_SIZE) {
    if (hostFits(table, location) && pathFits(table, location)) return location;
  }
  return 0;
}

function hostFits(table: usize, location: usize): bool {
  const kind = load<u32>(location, LOCATION_HOST_KIND);
  if (kind == HOST_ANY) return true;
  const wanted = table + <usize>load<u32>(location, LOCATION_HOST);
  const length = load<i32>(location, LOCATION_HOST_LENGTH);
  if (kind == HOST_EXACT) return length == hostLength && sameText(wanted, host, length);
  // One label, then the rest.
  const label = hostLength - length;
  if (label < 1 || !sameText(wanted, host + <usize>label, length)) return false;
  for (let i: usize = 0; i < <usize>label; i++) if (load<u8>(host + i) == 46) return false;
  return true;
}

function sameText(text: usize, given: usize, length: i32): bool {
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(text + i) != lower(load<u8>(given + i))) return false;
  return true;
}

function pathFits(table: usize, location: usize): bool {
  const wanted = table + <usize>load<u32>(location, LOCATION_PATH);
  const length = load<i32>(location, LOCATION_PATH_LENGTH);
  if (length > pathLength) return false;
  for (let i: usize = 0; i < <usize>length; i++) if (load<u8>(wanted + i) != load<u8>(path + i)) return false;
  if (length == pathLength) return true;
  return !load<u32>(location, LOCATION_EXACT) && load<u8>(path + <usize>length) == SLASH;
}

// ---- the head as it goes on

let to: usize = 0;

function writeBytes(at: usize, length: i32): void {
  memory.copy(to, at, <usize>length);
  to += <usize>length;
}

/** Writes a text that stands behind its length. */
function writeText(text: usize): void {
  writeBytes(text + 1, <i32>load<u8>(text));
}

function writeNumber(value: u32): void {
  if (value >= 10) writeNumber(value / 10);
  store<u8>(to, <u8>(48 + (value % 10)));
  to++;
}

function writeColon(): void {
  store<u8>(to, COLON);
  to++;
}

/** An address of IPv6 as nginx prints it: the longest run of zero words, of two or more, is left out (ngx_inet6_ntop). */
function writeAddress6(bytes: usize): void {
  let from = 8;
  let longest = 1;
  for (let i = 0, run = 0; i < 8; i++) {
    run = get16(bytes + ((<usize>i) << 1)) ? 0 : run + 1;
    if (run <= longest) continue;
    longest = run;
    from = i + 1 - run;
  }
  if (from == 0) writeColon();
  for (let i = 0; i < 8; i++) {
    if (i == from) {
      writeColon();
      i += longest - 1;
      continue;
    }
    const word = <u32>get16(bytes + ((<usize>i) << 1));
    let shift: u32 = 12;
    while (shift && !(word >> shift)) shift -= 4;
    for (let left = shift + 4; left; left -= 4) writeDigit((word >> (left - 4)) & 15);
    if (i < 7) writeColon();
  }
}

function writeDigit(digit: u32): void {
  store<u8>(to, <u8>(digit < 10 ? 48 + digit : 87 + digit));
  to++;
}

function writeAddress(address: u32): void {
  if (addresses.isSix(address)) {
    writeAddress6(addresses.bytesOf(address));
    return;
  }
  for (let shift: u32 = 32; shift; shift -= 8) {
    writeNumber((address >> (shift - 8)) & 255);
    if (shift > 8) {
      store<u8>(to, 46);
      to++;
    }
  }
}

function writeHex(value: u32): void {
  for (let shift: i32 = 28; shift >= 0; shift -= 4) writeDigit((value >> (<u32>shift)) & 15);
}

/** Writes one of the proxy's own field names, by its place in the list of them, a colon and a blank; capitals begin its words. */
function writeName(text: usize): void {
  writeText(text);
  store<u16>(to, 0x203a);
  to += 2;
}

function endLine(): void {
  store<u16>(to, 0x0a0d);
  to += 2;
}

// prettier-ignore
const HOST = memory.data<u8>([4, 72, 111, 115, 116]);
// prettier-ignore
const REQUEST_ID = memory.data<u8>([12, 88, 45, 82, 101, 113, 117, 101, 115, 116, 45, 73, 68]);
// prettier-ignore
const REAL_IP = memory.data<u8>([9, 88, 45, 82, 101, 97, 108, 45, 73, 80]);
// prettier-ignore
const FORWARDED_FOR = memory.data<u8>([15, 88, 45, 70, 111, 114, 119, 97, 114, 100, 101, 100, 45, 70, 111, 114]);
// prettier-ignore
const FORWARDED_HOST = memory.data<u8>([16, 88, 45, 70, 111, 114, 119, 97, 114, 100, 101, 100, 45, 72, 111, 115, 116]);
// prettier-ignore
const FORWARDED_PORT = memory.data<u8>([16, 88, 45, 70, 111, 114, 119, 97, 114, 100, 101, 100, 45, 80, 111, 114, 116]);
// prettier-ignore
const FORWARDED_PROTO = memory.data<u8>([17, 88, 45, 70, 111, 114, 119, 97, 114, 100, 101, 100, 45, 80, 114, 111, 116, 111]);
// prettier-ignore
const FORWARDED_SCHEME = memory.data<u8>([18, 88, 45, 70, 111, 114, 119, 97, 114, 100, 101, 100, 45, 83, 99, 104, 101, 109, 101]);
// prettier-ignore
const SCHEME = memory.data<u8>([8, 88, 45, 83, 99, 104, 101, 109, 101]);
// prettier-ignore
const HTTP = memory.data<u8>([4, 104, 116, 116, 112]);

/**
 * Writes the head that was parsed last as nginx hands it on for the client of a connection: the request line, its own fields in
 * ingress-nginx' order, then the others as they came. Returns its length.
 */
export function rewrite(c: usize, at: usize, length: i32, target: usize): i32 {
  to = target;
  writeBytes(at, <i32>(lines - at));
  writeName(HOST);
  writeBytes(host, hostField);
  endLine();
  writeName(REQUEST_ID);
  const random = load<usize>(c, TCP_NAMESPACE) + NS_RANDOM;
  for (let i = 0; i < 4; i++) writeHex(next32(random));
  endLine();
  const client = load<u32>(c, TCP_REMOTE);
  writeName(REAL_IP);
  writeAddress(client);
  endLine();
  writeName(FORWARDED_FOR);
  writeAddress(client);
  endLine();
  writeName(FORWARDED_HOST);
  writeBytes(host, hostField);
  endLine();
  writeName(FORWARDED_PORT);
  writeNumber(load<u32>(c, TCP_PORTS) >> 16);
  endLine();
  writeName(FORWARDED_PROTO);
  writeText(HTTP);
  endLine();
  writeName(FORWARDED_SCHEME);
  writeText(HTTP);
  endLine();
  writeName(SCHEME);
  writeText(HTTP);
  endLine();
  const limit = target + CHUNK_MAX;
  for (let line = lines; line < end; line = nextLine(line)) {
    const bytes = <i32>(nextLine(line) - line);
    if (!isOwn(line) && to + <usize>bytes + 2 <= limit) writeBytes(line, bytes);
  }
  endLine();
  return <i32>(to - target);
}

function isOwn(line: usize): bool {
  for (let name: usize = OWN; load<u8>(name); name += <usize>load<u8>(name) + 1) {
    if (isNamed(line, name + 1, <i32>load<u8>(name))) return true;
  }
  return false;
}
