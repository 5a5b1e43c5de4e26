// Ranges of IPv6 addresses that NAT takes from: numbers of addresses say nothing of their order, their bytes do (nf_nat_core.c).
import { bytesOf, numberOf } from "../memory/addresses.ts";
import { allocate } from "../memory/arena.ts";
import { get32, put32 } from "../memory/bytes.ts";
import { hashAddress6 } from "../memory/jhash.ts";

let chosen: usize = 0;

/** Whether an address is one of those from `low` to `high` (nf_nat_inet_in_range). */
export function holds(address: u32, low: u32, high: u32): bool {
  const at = bytesOf(address);
  return memory.compare(at, bytesOf(low), 16) >= 0 && memory.compare(at, bytesOf(high), 16) <= 0;
}

/** An address from `low` to `high`, word by word by a hash of those of the connection (find_best_ips_proto). */
export function choose(low: u32, high: u32, source: u32, destination: u32, persistent: bool): u32 {
  if (!chosen) chosen = allocate(16);
  const least = bytesOf(low);
  const most = bytesOf(high);
  const to = bytesOf(destination);
  let spread = hashAddress6(bytesOf(source), persistent ? 0 : load<u32>(to, 12));
  let free = false; // once a word is below the highest one, those behind it may be any
  for (let i: usize = 0; i < 16; i += 4) {
    const first = free ? 0 : get32(least + i);
    const distance: u32 = free ? 0xffffffff : get32(most + i) - first + 1;
    const word = first + <u32>((<u64>spread * <u64>distance) >> 32);
    put32(chosen + i, word);
    if (word != get32(most + i)) free = true;
    if (!persistent) spread ^= load<u32>(to + i);
  }
  return numberOf(chosen);
}
