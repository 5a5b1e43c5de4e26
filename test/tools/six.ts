// Reads frames of IPv6 without extension headers, as far as tests ask who sent what to whom.

export interface Frame6 {
  source: string;
  destination: string;
  hopLimit: number;
  /** In words: `tcp S`, `udp`, `icmp 1/4`. */
  what: string;
  /** 0 where there are none. */
  sourcePort: number;
  destinationPort: number;
}

const FLAGS: [bit: number, letter: string][] = [
  [1, "F"],
  [2, "S"],
  [4, "R"],
  [8, "P"],
  [16, "."],
];

/** What a frame of IPv6 says; undefined for others. */
export function frame6(bytes: Uint8Array): Frame6 | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(12) !== 0x86dd) return undefined;
  const protocol = view.getUint8(20);
  const [source, destination] = [text(view, 22), text(view, 38)];
  const hasPorts = protocol === 6 || protocol === 17;
  const flags = protocol === 6 ? FLAGS.map(([bit, letter]) => (view.getUint8(67) & bit ? letter : "")).join("") : "";
  const what =
    { 6: `tcp ${flags}`, 17: "udp", 58: `icmp ${view.getUint8(54)}/${view.getUint8(55)}` }[protocol] ??
    `protocol ${protocol}`;
  return {
    source,
    destination,
    hopLimit: view.getUint8(21),
    what,
    sourcePort: hasPorts ? view.getUint16(54) : 0,
    destinationPort: hasPorts ? view.getUint16(56) : 0,
  };
}

/** An address as RFC 5952 writes it. */
function text(view: DataView, at: number): string {
  const words = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => view.getUint16(at + 2 * i).toString(16));
  return new URL(`http://[${words.join(":")}]/`).hostname.slice(1, -1);
}
