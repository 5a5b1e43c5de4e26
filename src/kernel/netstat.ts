// What a namespace counts of its listeners, by the names of TcpExt in /proc/net/netstat and in their order there.
import * as R from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "./kernel.ts";

const NAMES: readonly (readonly [string, number])[] = [
  ["SyncookiesSent", R.TCPX_SYNCOOKIES_SENT],
  ["SyncookiesRecv", R.TCPX_SYNCOOKIES_RECV],
  ["SyncookiesFailed", R.TCPX_SYNCOOKIES_FAILED],
  ["ListenOverflows", R.TCPX_LISTEN_OVERFLOWS],
  ["ListenDrops", R.TCPX_LISTEN_DROPS],
  ["TCPReqQFullDoCookies", R.TCPX_REQQ_FULL_DO_COOKIES],
  ["TCPReqQFullDrop", R.TCPX_REQQ_FULL_DROP],
];

/** The counters of a namespace, with those that are 0. */
export function tcpExt(kernel: Kernel, ns: Handle): Map<string, number> {
  return new Map(NAMES.map(([name, index]) => [name, kernel.word(ns + R.NS_TCP_COUNTS + 4 * index)]));
}
