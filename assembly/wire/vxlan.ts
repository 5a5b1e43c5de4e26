// VXLAN (RFC 7348): eight bytes between a UDP header and the Ethernet frame that it carries.
import { get32, put32 } from "../memory/bytes.ts";

const FLAGS: usize = 0;
const VNI: usize = 4;
export const VXLAN_LENGTH = 8;

const HAS_VNI: u32 = 0x08000000;

/** Whether the header says a network number, and nothing else. */
export function isPlain(at: usize): bool {
  return get32(at + FLAGS) == HAS_VNI && !load<u8>(at + VNI + 3);
}

/** The network number, 24 bits. */
export function vni(at: usize): u32 {
  return get32(at + VNI) >> 8;
}

export function write(at: usize, network: u32): void {
  put32(at + FLAGS, HAS_VNI);
  put32(at + VNI, network << 8);
}
