// A program that reads so many bytes of a connection and closes it then, whatever else has come.
import { TCP_APP, TCP_ARG } from "../layout/records.ts";
import * as tcp from "../socket/tcp.ts";

/** Bytes came over a connection. The listener's argument says how many are read. */
export function onData(c: usize, length: i32): void {
  const left = load<i32>(c, TCP_ARG) - load<i32>(c, TCP_APP) - length;
  store<i32>(c, load<i32>(c, TCP_APP) + length, TCP_APP);
  if (left > 0) return;
  if (left < 0) tcp.leaveUnread(c);
  tcp.close(c);
}
