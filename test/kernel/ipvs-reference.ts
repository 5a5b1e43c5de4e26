// Which real server ip_vs gives a new connection to, in plain words: one function for each scheduler, over what servers there are.
// Written from the descriptions of the algorithms, so that the kernel's code has something else to be held against.

export interface Server {
  name: string;
  address: number;
  port: number;
  weight: number;
  /** Established connections, and all others. */
  active: number;
  inactive: number;
}

export interface Client {
  address: number;
  port: number;
  virtual: number;
}

/** Chooses for one connection after another. Servers stand in the order of the kernel's list: the one that was added last is first. */
export type Choose = (servers: readonly Server[], client: Client) => Server | undefined;

/** The first of those for which `cost` is least, among those that take connections. */
function least(servers: readonly Server[], cost: (server: Server) => number): Server | undefined {
  const able = servers.filter(({ weight }) => weight > 0);
  const best = Math.min(...able.map(cost));
  return able.find((server) => cost(server) === best);
}

const load = ({ active, inactive }: Server): number => active * 256 + inactive;

/** As the Linux Virtual Server's page on scheduling has it: walk round, with a threshold that falls by the common divisor. */
function weighted(): Choose {
  let at = -1;
  let threshold = 0;
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  return (servers) => {
    const weights = servers.map(({ weight }) => weight);
    const most = Math.max(...weights);
    if (most <= 0) return undefined;
    for (;;) {
      at = (at + 1) % servers.length;
      if (at === 0) {
        threshold -= weights.reduce(divisor);
        if (threshold <= 0) threshold = most;
      }
      if ((weights[at] ?? 0) >= threshold) return servers[at];
    }
  };
}

function inTurn(): Choose {
  let at = -1;
  return (servers) => {
    for (let looked = 0; looked < servers.length; looked++) {
      at = (at + 1) % servers.length;
      if ((servers[at]?.weight ?? 0) > 0) return servers[at];
    }
    return undefined;
  };
}

const able = (server: Server | undefined): Server | undefined => ((server?.weight ?? 0) > 0 ? server : undefined);

/** The upper eight bits of the address times 2^32 / golden ratio. */
const bucket = (address: number): number => Math.imul(address, 0x61c88647) >>> 24;

/** Servers in a row, each as often as `times` says, again and again until there are 256. */
function dealt(servers: readonly Server[], times: (server: Server) => number): Server[] {
  const once = servers.flatMap((server) => Array.from({ length: times(server) }, () => server));
  return Array.from({ length: 256 }, (_, i) => once[i % once.length]).filter((server) => server !== undefined);
}

const MASK = 0xffff_ffff_ffff_ffffn;

/** SipHash-1-3 of whole bytes, its lower 32 bits (Aumasson and Bernstein, with one round a block and three at the end). */
export function sipHash13(message: readonly number[], key: readonly [bigint, bigint]): number {
  const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & MASK;
  let [a, b, c, d] = [
    key[0] ^ 0x736f6d6570736575n,
    key[1] ^ 0x646f72616e646f6dn,
    key[0] ^ 0x6c7967656e657261n,
    key[1] ^ 0x7465646279746573n,
  ];
  const round = (): void => {
    a = (a + b) & MASK;
    b = rotate(b, 13n) ^ a;
    a = rotate(a, 32n);
    c = (c + d) & MASK;
    d = rotate(d, 16n) ^ c;
    a = (a + d) & MASK;
    d = rotate(d, 21n) ^ a;
    c = (c + b) & MASK;
    b = rotate(b, 17n) ^ c;
    c = rotate(c, 32n);
  };
  const padded = [...message];
  while (padded.length % 8 !== 7) padded.push(0);
  padded.push(message.length & 255);
  for (let i = 0; i < padded.length; i += 8) {
    const block = padded.slice(i, i + 8).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    d ^= block;
    round();
    a ^= block;
  }
  c ^= 0xffn;
  for (let i = 0; i < 3; i++) round();
  return Number((a ^ b ^ c ^ d) & 0xffff_ffffn);
}

const TABLE = 4093;

function maglevHash(address: number, port: number, key: bigint): number {
  const value = (address + port) >>> 0;
  return sipHash13([value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24], [key, key]);
}

const placeOf = (address: number, port: number): number => maglevHash(address, port, 2654435761n) % TABLE;

/** The table of the Maglev paper (section 3.4): in turn each server takes its next wish that is free. `weights` are at most 63. */
function maglevTable(servers: readonly Server[]): Server[] {
  const table: Server[] = [];
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  const step = servers.map(({ weight }) => weight).reduce(divisor, 0);
  const wishes = servers.map(function* ({ address, port }) {
    const skip = (maglevHash(address, port, 2654446892n) % (TABLE - 1)) + 1;
    for (let j = 0; ; j++) yield (placeOf(address, port) + j * skip) % TABLE;
  });
  let filled = 0;
  while (filled < TABLE)
    for (const [i, server] of servers.entries())
      for (let turn = 0; turn < server.weight / step && filled < TABLE; turn++) {
        let wish = wishes[i]?.next().value ?? 0;
        while (table[wish]) wish = wishes[i]?.next().value ?? 0;
        table[wish] = server;
        filled += 1;
      }
  return table;
}

/** A fresh one of each, by the scheduler's name. Those with buckets have only servers that take connections. */
export const REFERENCES: Readonly<Record<string, () => Choose>> = {
  rr: inTurn,
  wrr: weighted,
  lc: () => (servers) => least(servers, load),
  wlc: () => (servers) => least(servers, (server) => load(server) / server.weight),
  sed: () => (servers) => least(servers, ({ active, weight }) => (active + 1) / weight),
  nq: () => (servers) =>
    servers.find(({ weight, active }) => weight > 0 && active === 0) ??
    least(servers, ({ active, weight }) => (active + 1) / weight),
  fo: () => (servers) => least(servers, ({ weight }) => -weight),
  ovf: () => (servers) => {
    const free = servers.filter(({ active, weight }) => active <= weight);
    return least(free, ({ weight }) => -weight);
  },
  sh: () => (servers, client) => able(dealt(servers, ({ weight }) => Math.max(weight, 1))[bucket(client.address)]),
  dh: () => (servers, client) => able(dealt(servers, () => 1)[bucket(client.virtual)]),
  mh: () => (servers, client) => able(maglevTable(servers)[placeOf(client.address, client.port)]),
};
