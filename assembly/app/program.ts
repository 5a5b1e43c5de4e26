// Programs of the host: they have sockets here, and what happens to those is mail for them, for which the engine stops.
import {
  MAIL_BYTES,
  MAIL_CLOSED,
  MAIL_CONNECTED,
  MAIL_DATA,
  MAIL_ERROR,
  MAIL_EXPIRED,
  MAIL_KIND,
  MAIL_LENGTH,
  MAIL_NEXT,
  MAIL_NUMBER,
  MAIL_PACKET,
  MAIL_REFUSED,
  MAIL_RESET,
  MAIL_RESOLVED,
  MAIL_ROOM,
  MAIL_SIZE,
  MAIL_SUBJECT,
  MAIL_TIME,
  MAIL_UNRESOLVED,
} from "../layout/program.ts";
import { FRAME_NETWORK } from "../layout/frame.ts";
import { TCP_ARG } from "../layout/records.ts";
import { allocate } from "../memory/arena.ts";
import { copy } from "../memory/bytes.ts";
import { now } from "../memory/clock.ts";
import { give, take } from "../memory/pool.ts";
import * as tcp from "../socket/tcp.ts";
import { packetLength } from "../track/conntrack.ts";

let free: usize = 0;
let first: usize = 0;
let last: usize = 0;
let reading: usize = 0;

/** Whether there is mail that the host has not taken. */
export function hasMail(): bool {
  return first != 0;
}

/** Takes the oldest mail (MAIL_*), 0 if there is none; it is good until the next one is taken. */
export function takeMail(): usize {
  if (reading) give(free, reading);
  reading = first;
  if (reading) first = load<usize>(reading, MAIL_NEXT);
  if (!first) last = 0;
  return reading;
}

function post(kind: i32, number: u32, subject: u32, at: usize, length: i32): void {
  if (!free) free = allocate(64);
  const mail = take(free, MAIL_SIZE);
  store<usize>(mail, 0, MAIL_NEXT);
  store<i32>(mail, kind, MAIL_KIND);
  store<u32>(mail, number, MAIL_NUMBER);
  store<u32>(mail, subject, MAIL_SUBJECT);
  store<u64>(mail, now, MAIL_TIME);
  store<i32>(mail, length, MAIL_LENGTH);
  copy(mail + MAIL_BYTES, at, min<i32>(length, MAIL_ROOM));
  if (last) store<usize>(last, mail, MAIL_NEXT);
  else first = mail;
  last = mail;
}

/** A packet came for a socket without connections. */
export function onPacket(number: u32, frame: usize): void {
  post(MAIL_PACKET, number, 0, load<usize>(frame, FRAME_NETWORK), packetLength(frame));
}

/** An ICMP error came about a packet of a socket or of a connection. */
export function onError(number: u32, frame: usize): void {
  post(MAIL_ERROR, number, 0, load<usize>(frame, FRAME_NETWORK), packetLength(frame));
}

/** Something happened to a connection (tcp.happened). */
export function onConnection(c: usize): void {
  const number = load<u32>(c, TCP_ARG);
  const what = tcp.happened;
  if (what & tcp.REFUSED) post(MAIL_REFUSED, number, 0, 0, 0);
  else if (what & tcp.RESET) post(MAIL_RESET, number, 0, 0, 0);
  else if (what & tcp.EXPIRED) post(MAIL_EXPIRED, number, 0, 0, 0);
  else {
    if (what & tcp.CONNECTED) post(MAIL_CONNECTED, number, <u32>c, 0, 0);
    if (what & tcp.DATA) {
      let at = tcp.data;
      for (let left = tcp.dataLength; left > 0; left -= MAIL_ROOM) {
        post(MAIL_DATA, number, <u32>c, at, min<i32>(left, MAIL_ROOM));
        at += MAIL_ROOM;
      }
    }
    if (what & tcp.PEER_CLOSED) post(MAIL_CLOSED, number, <u32>c, 0, 0);
  }
}

/** A name was looked up; `address` 0: in vain, after so many questions without an answer. */
export function onName(number: u32, address: u32, unanswered: u32): void {
  if (address) post(MAIL_RESOLVED, number, address, 0, 0);
  else post(MAIL_UNRESOLVED, number, unanswered, 0, 0);
}
