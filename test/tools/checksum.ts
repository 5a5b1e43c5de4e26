// The Internet checksum (RFC 1071), computed the slow and plain way as a judge of the kernel's.

/** The checksum over the parts, which follow each other without padding; 0 if they contain a right checksum. */
export function checksum(...parts: Uint8Array[]): number {
  const bytes = parts.flatMap((part) => Array.from(part));
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] ?? 0) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** What TCP and UDP put before their header for the checksum. `addresses` are source and destination as in the IP header. */
export function pseudoHeader(addresses: Uint8Array, protocol: number, length: number): Uint8Array {
  return Uint8Array.of(...addresses, 0, protocol, length >> 8, length & 255);
}
