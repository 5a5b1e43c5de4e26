// ARP for IPv4 over Ethernet (RFC 826).
import { get16, get32, put16, put32 } from "../memory/bytes.ts";

const HARDWARE: usize = 0;
const PROTOCOL: usize = 2;
const HARDWARE_LENGTH: usize = 4;
const PROTOCOL_LENGTH: usize = 5;
const OPERATION: usize = 6;
const SENDER_MAC: usize = 8;
const SENDER: usize = 14;
const TARGET_MAC: usize = 18;
const TARGET: usize = 24;
export const ARP_LENGTH = 28;

export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** Whether the fixed part says Ethernet (or IEEE 802, which counts as the same) and IPv4. */
export function isIpv4OverEthernet(at: usize): bool {
  const hardware = get16(at + HARDWARE);
  return (
    (hardware == 1 || hardware == 6) &&
    get16(at + PROTOCOL) == 0x0800 &&
    load<u8>(at + HARDWARE_LENGTH) == 6 &&
    load<u8>(at + PROTOCOL_LENGTH) == 4
  );
}
export function operation(at: usize): i32 {
  return get16(at + OPERATION);
}
export function senderMacHigh(at: usize): u32 {
  return <u32>get16(at + SENDER_MAC);
}
export function senderMacLow(at: usize): u32 {
  return get32(at + SENDER_MAC + 2);
}
/** Whether the target's hardware address is the sender's own. */
export function namesItself(at: usize): bool {
  return (
    load<u32>(at + SENDER_MAC) == load<u32>(at + TARGET_MAC) &&
    load<u16>(at + SENDER_MAC, 4) == load<u16>(at + TARGET_MAC, 4)
  );
}
export function sender(at: usize): u32 {
  return get32(at + SENDER);
}
export function target(at: usize): u32 {
  return get32(at + TARGET);
}

/** Writes a whole message. */
export function write(
  at: usize,
  what: i32,
  fromHigh: u32,
  fromLow: u32,
  from: u32,
  toHigh: u32,
  toLow: u32,
  to: u32,
): void {
  put16(at + HARDWARE, 1);
  put16(at + PROTOCOL, 0x0800);
  store<u8>(at + HARDWARE_LENGTH, 6);
  store<u8>(at + PROTOCOL_LENGTH, 4);
  put16(at + OPERATION, what);
  put16(at + SENDER_MAC, <i32>fromHigh);
  put32(at + SENDER_MAC + 2, fromLow);
  put32(at + SENDER, from);
  put16(at + TARGET_MAC, <i32>toHigh);
  put32(at + TARGET_MAC + 2, toLow);
  put32(at + TARGET, to);
}
