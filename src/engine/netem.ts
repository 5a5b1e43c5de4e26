// Links in the kernel: the words of a netem configuration as its record, the tables of distributions, and the least latency.
import * as R from "../../assembly/layout/records.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { Chance, Distribution, NetemConfig } from "../seam/netem.ts";
import { seedOf } from "./random.ts";

/** Samples of a jitter of one stand as so many: NETEM_DIST_SCALE. */
const SCALE = 8192;
const SAMPLES = 4096;

/** The samples of a distribution in 1/8192 of its standard deviation, in ascending order, as the `.dist` files of iproute2 have them. */
export function distributionTable(distribution: Exclude<Distribution, "uniform">): Int16Array {
  const table = TABLES.get(distribution) ?? Int16Array.from({ length: SAMPLES }, (_, i) => SAMPLERS[distribution](i));
  TABLES.set(distribution, table);
  return table;
}

const TABLES = new Map<string, Int16Array>();

const SAMPLERS = {
  normal: (i: number) => clamp(normalSample(i)),
  pareto: (i: number) => paretoSample(i),
  // A quarter of one and three quarters of the other, towards zero.
  paretonormal: (i: number) => clamp(Math.trunc((normalSample(i) + 3 * paretoSample(i)) / 4)),
} as const;

function clamp(value: number): number {
  return Math.max(-32768, Math.min(32767, value));
}

/**
 * iproute2's table has for each of 4096 equal shares the largest value on a grid of 0.00005 whose probability still rounds to it, in
 * shares of 1/16384.
 */
function normalSample(i: number): number {
  return Math.round(GRID * Math.floor(quantile((4 * i + 0.5) / 16384) / GRID) * SCALE);
}

const GRID = 0.00005;

/** Where the normal distribution function has a value, by bisection. */
function quantile(probability: number): number {
  let [low, high] = [-10, 10];
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (normal(middle) < probability) low = middle;
    else high = middle;
  }
  return low;
}

/** The normal distribution function: a series near the middle, a continued fraction far from it (Abramowitz and Stegun 26.2.11, 26.2.14). */
function normal(x: number): number {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  const far = Math.abs(x);
  if (far < 3) {
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > 1e-17; n += 2) sum += term *= (x * x) / n;
    return 0.5 + density * sum;
  }
  let fraction = far;
  for (let n = 60; n > 0; n--) fraction = far + n / fraction;
  return x < 0 ? density / fraction : 1 - density / fraction;
}

/** Of shape 3, with mean 0 and the scale that iproute2 gives it. */
function paretoSample(i: number): number {
  const value = (Math.pow((65536 - 16 * i) / 65536, -1 / 3) - 1.5) * (4 / 3) * SCALE;
  return Math.round(Math.min(value, 32767));
}

/** On a wire this part of the latency is the wire's own, which no frame is spared. */
const OWN_PART = 10;
const LEAST_NS = 1000;

/**
 * The least time that a frame needs, in nanoseconds, `wire`: over a wire between machines. Jitter may take away from the latency, and a
 * frame that goes past others has none; but over a wire a tenth of the latency stays, at least 1 us, as the engine's look-ahead is the
 * least of all wires.
 */
export function leastLatency({ latencyNs, jitter, reorder }: NetemConfig, wire: boolean): number {
  const floor = wire ? Math.min(latencyNs, Math.max(LEAST_NS, Math.ceil(latencyNs / OWN_PART))) : 0;
  if (reorder) return floor;
  if (!jitter) return latencyNs;
  const { ns, distribution = "uniform" } = jitter;
  const smallest = distribution === "uniform" ? -SCALE : (distributionTable(distribution)[0] ?? 0);
  return Math.max(floor, latencyNs + Math.floor((smallest * ns) / SCALE) - 1);
}

/** A probability as netem compares it with 32 random bits. */
function shareOf(probability = 0): number {
  return Math.round(probability * (2 ** 32 - 1));
}

/** Gives the link of a device what its configuration says. `name`: `<namespace>/<device>`, by which what is random differs. */
export function addNetem(
  kernel: Kernel,
  device: Handle,
  config: NetemConfig,
  job: { seed: number },
  name: string,
  wire: boolean,
): void {
  const at = kernel.calls.newNetem(device) >>> 0;
  const { jitter, limit, loss, duplicate, corrupt, reorder } = config;
  const long = (field: number, value: number): void => {
    kernel.setWord(at + field, value % 2 ** 32);
    kernel.setWord(at + field + 4, Math.floor(value / 2 ** 32));
  };
  const correlation = (field: number, what: string, rho: number | undefined): void => {
    if (rho === undefined || rho === 0) return;
    kernel.setWord(at + field, Number(seedOf(job.seed, `netem ${what} ${name}`) & 0xffffffffn));
    kernel.setWord(at + field + 4, shareOf(rho));
  };
  const chance = (field: number, rhoField: number, what: string, value: Chance | undefined): void => {
    kernel.setWord(at + field, shareOf(value?.probability));
    correlation(rhoField, what, value?.correlation);
  };
  long(R.NETEM_LATENCY, config.latencyNs);
  long(R.NETEM_LEAST, leastLatency(config, wire));
  long(R.NETEM_RATE, config.rate ?? 0);
  if (jitter) {
    long(R.NETEM_JITTER, jitter.ns);
    correlation(R.NETEM_JITTER_CORRELATION, "jitter", jitter.correlation);
    const { distribution = "uniform" } = jitter;
    if (distribution !== "uniform") {
      const table = distributionTable(distribution);
      kernel.setWord(at + R.NETEM_TABLE, kernel.place(new Uint8Array(table.buffer)));
      kernel.setWord(at + R.NETEM_TABLE_SIZE, table.length);
    }
  }
  if (limit && "packets" in limit) kernel.setWord(at + R.NETEM_LIMIT, limit.packets);
  if (limit && "bytes" in limit) kernel.setWord(at + R.NETEM_LIMIT_BYTES, limit.bytes);
  if (loss && "p" in loss) {
    kernel.setWord(at + R.NETEM_LOSS_MODEL, R.LOSS_GEMODEL);
    kernel.setWord(at + R.NETEM_LOSS, shareOf(loss.p));
    kernel.setWord(at + R.NETEM_LOSS_R, shareOf(loss.r));
    kernel.setWord(at + R.NETEM_LOSS_H, shareOf(1 - loss.lostInBad));
    kernel.setWord(at + R.NETEM_LOSS_K1, shareOf(loss.lostInGood));
  } else {
    chance(R.NETEM_LOSS, R.NETEM_LOSS_CORRELATION, "loss", loss);
  }
  chance(R.NETEM_DUPLICATE, R.NETEM_DUPLICATE_CORRELATION, "duplicate", duplicate);
  long(R.NETEM_DUPLICATE_DELAY, duplicate?.delayNs ?? 0);
  chance(R.NETEM_CORRUPT, R.NETEM_CORRUPT_CORRELATION, "corrupt", corrupt);
  chance(R.NETEM_REORDER, R.NETEM_REORDER_CORRELATION, "reorder", reorder);
  kernel.setWord(at + R.NETEM_GAP, reorder?.gap ?? 0);
}
