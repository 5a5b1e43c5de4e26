// Frames written by hand, byte for byte, with right checksums: what the tools of the tests are tested on.

/** Bytes from hexadecimal text; blanks and line ends are left out. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s+/g, ""), "hex"));
}

/** 10.244.1.2 asks for 10.244.1.3. */
export const arpRequest: Uint8Array = hex(`
  ffff ffff ffff 0a58 0af4 0102 0806
  0001 0800 0604 0001
  0a58 0af4 0102 0af4 0102 0000 0000 0000 0af4 0103
`);

/** 10.244.1.3 answers. */
export const arpReply: Uint8Array = hex(`
  0a58 0af4 0102 0a58 0af4 0103 0806
  0001 0800 0604 0002
  0a58 0af4 0103 0af4 0103 0a58 0af4 0102 0af4 0102
`);

/** A connection from 10.244.1.2:40000 to 10.244.1.3:80, with MSS, timestamp, NOP and window scale. */
export const syn: Uint8Array = hex(`
  0a58 0af4 0103 0a58 0af4 0102 0800
  4500 003c 0001 4000 4006 22cf 0af4 0102 0af4 0103
  9c40 0050 0000 03e8 0000 0000 a002 faf0 94a9 0000 0204 05b4 0402 080a 0000 0001
  0000 0000 0103 0307
`);

/** Its answer, with an MSS. */
export const synAck: Uint8Array = hex(`
  0a58 0af4 0102 0a58 0af4 0103 0800
  4500 002c 0002 4000 4006 22de 0af4 0103 0af4 0102
  0050 9c40 0000 1388 0000 03e9 6012 faf0 d137 0000 0204 05b4
`);

/** The end of the handshake. */
export const ack: Uint8Array = hex(`
  0a58 0af4 0103 0a58 0af4 0102 0800
  4500 0028 0003 4000 4006 22e1 0af4 0102 0af4 0103
  9c40 0050 0000 03e9 0000 1389 5010 faf0 e8f4 0000
`);

/** Five bytes, `hello`. */
export const data: Uint8Array = hex(`
  0a58 0af4 0103 0a58 0af4 0102 0800
  4500 002d 0004 4000 4006 22db 0af4 0102 0af4 0103
  9c40 0050 0000 03e9 0000 1389 5018 faf0 a515 0000 6865 6c6c 6f
`);

/** A? web.shop.svc.cluster.local from port 33000. */
export const dnsQuery: Uint8Array = hex(`
  0a58 0af4 0103 0a58 0af4 0102 0800
  4500 0048 0005 4000 4011 22b4 0af4 0102 0af4 0103
  80e8 0035 0034 4e19 0007 0100 0001 0000 0000 0000 0377 6562 0473 686f 7003 7376
  6307 636c 7573 7465 7205 6c6f 6361 6c00 0001 0001
`);

/** The answer: a CNAME, an address, and a SRV record as additional data; names compressed. */
export const dnsAnswer: Uint8Array = hex(`
  0a58 0af4 0102 0a58 0af4 0103 0800
  4500 0098 0006 4000 4011 2263 0af4 0103 0af4 0102
  0035 80e8 0084 30b9 0007 8580 0001 0002 0000 0001 0377 6562 0473 686f 7003 7376
  6307 636c 7573 7465 7205 6c6f 6361 6c00 0001 0001 c00c 0005 0001 0000 001e 0006
  0377 7777 c010 0377 7777 c010 0001 0001 0000 001e 0004 0a60 0014 055f 6874 7470
  045f 7463 7003 7765 6204 7368 6f70 0000 2100 0100 0000 1e00 0b00 0000 321f 9001
  6101 6200
`);

/** An ICMP echo request, id 9, sequence 1, eight bytes. */
export const echo: Uint8Array = hex(`
  0a58 0af4 0103 0a58 0af4 0102 0800
  4500 0024 0007 4000 4001 22e6 0af4 0102 0af4 0103
  0800 6660 0009 0001 6162 6364 6566 6768
`);

/** Port unreachable about a datagram of two bytes to port 9999. */
export const unreachable: Uint8Array = hex(`
  0a58 0af4 0102 0a58 0af4 0103 0800
  45c0 003a 0009 0000 4001 620e 0af4 0103 0af4 0102
  0303 1505 0000 0000 4500 001e 0008 4000 4011 22db 0af4 0102 0af4 0103 80e9 270f
  000a d78b 6869
`);
