// CUBIC (RFC 9438) with HyStart, in the integers of Linux's tcp_cubic.c; its jiffies are milliseconds here.
import * as R from "../layout/records.ts";
import { MILLISECOND, now } from "../memory/clock.ts";
import { after } from "../track/tcp-window.ts";

const BETA: u32 = 717; // of 1024: what a loss leaves
const CUBE_RTT_SCALE: u64 = 410; // C = 0.4, times 1024
const CUBE_FACTOR: u64 = ((<u64>1) << 40) / CUBE_RTT_SCALE;
const RENO_SCALE: u32 = (8 * (1024 + BETA)) / 3 / (1024 - BETA);
const QUIET: u32 = 31; // ms: HZ / 32
const HYSTART_LOW_WINDOW: u32 = 16;
const HYSTART_MIN_SAMPLES: u32 = 8;
const HYSTART_ACK_DELTA: u32 = 2000; // microseconds
const HYSTART_DELAY_LEAST: u32 = 4000;
const HYSTART_DELAY_MOST: u32 = 16000;
const FIELDS: usize = R.HYSTART_ROUND - R.CUBIC_LAST_MAX;

function milliseconds(): u32 {
  return <u32>(now / MILLISECOND);
}
function microseconds(): u32 {
  return <u32>(now / 1000);
}

/** Forgets everything, after a time-out (bictcp_reset, bictcp_hystart_reset). */
export function reset(c: usize): void {
  memory.fill(c + R.CUBIC_LAST_MAX, 0, FIELDS);
  beginRound(c);
}

function beginRound(c: usize): void {
  store<u32>(c, microseconds(), R.HYSTART_ROUND);
  store<u32>(c, microseconds(), R.HYSTART_LAST);
  store<u32>(c, load<u32>(c, R.TCP_SND_NXT), R.HYSTART_END);
  store<u32>(c, 0xffffffff, R.HYSTART_RTT);
  store<u32>(c, 0, R.HYSTART_SAMPLES);
}

/** The threshold after a loss (cubictcp_recalc_ssthresh). */
export function threshold(c: usize): u32 {
  const cwnd = load<u32>(c, R.TCP_CWND);
  store<u32>(c, 0, R.CUBIC_EPOCH);
  // Fast convergence: a window that shrinks leaves room to others.
  store<u32>(c, cwnd < load<u32>(c, R.CUBIC_LAST_MAX) ? (cwnd * (1024 + BETA)) / 2048 : cwnd, R.CUBIC_LAST_MAX);
  return max<u32>((cwnd * BETA) / 1024, 2);
}

/** The largest number whose cube is no more. */
function cubeRoot(cube: u64): u32 {
  let root: u64 = 0;
  for (let bit: u64 = 1 << 20; bit; bit >>= 1) {
    const next = root | bit;
    if (next * next * next <= cube) root = next;
  }
  return <u32>root;
}

/** After how many acknowledged segments the window grows by one (bictcp_update). */
export function pace(c: usize, acked: u32): u32 {
  const cwnd = load<u32>(c, R.TCP_CWND);
  const at = milliseconds();
  store<u32>(c, load<u32>(c, R.CUBIC_ACKED) + acked, R.CUBIC_ACKED);
  const last = load<u32>(c, R.CUBIC_LAST_TIME);
  if (load<u32>(c, R.CUBIC_LAST_CWND) == cwnd && at - last <= QUIET) return max<u32>(load<u32>(c, R.CUBIC_COUNT), 2);
  if (!load<u32>(c, R.CUBIC_EPOCH) || at != last) aim(c, cwnd, at, acked);
  // As fast as NewReno would grow, at least.
  const step = (cwnd * RENO_SCALE) >> 3;
  let reno = load<u32>(c, R.CUBIC_RENO);
  let left = load<u32>(c, R.CUBIC_ACKED);
  while (left > step) {
    left -= step;
    reno++;
  }
  store<u32>(c, reno, R.CUBIC_RENO);
  store<u32>(c, left, R.CUBIC_ACKED);
  let count = load<u32>(c, R.CUBIC_COUNT);
  if (reno > cwnd) count = min<u32>(count, cwnd / (reno - cwnd));
  count = max<u32>(count, 2);
  store<u32>(c, count, R.CUBIC_COUNT);
  return count;
}

/** Where the cubic function is at this moment. */
function aim(c: usize, cwnd: u32, at: u32, acked: u32): void {
  store<u32>(c, cwnd, R.CUBIC_LAST_CWND);
  store<u32>(c, at, R.CUBIC_LAST_TIME);
  const lastMax = load<u32>(c, R.CUBIC_LAST_MAX);
  if (!load<u32>(c, R.CUBIC_EPOCH)) {
    store<u32>(c, at + 1, R.CUBIC_EPOCH);
    store<u32>(c, acked, R.CUBIC_ACKED);
    store<u32>(c, cwnd, R.CUBIC_RENO);
    store<u32>(c, lastMax > cwnd ? cubeRoot(CUBE_FACTOR * (lastMax - cwnd)) : 0, R.CUBIC_K);
    store<u32>(c, max<u32>(lastMax, cwnd), R.CUBIC_ORIGIN);
  }
  const passed = at + 1 - load<u32>(c, R.CUBIC_EPOCH) + load<u32>(c, R.CUBIC_DELAY_MIN) / 1000;
  const t = ((<u64>passed) << 10) / 1000;
  const k = <u64>load<u32>(c, R.CUBIC_K);
  const away = t < k ? k - t : t - k;
  const delta = <u32>((CUBE_RTT_SCALE * away * away * away) >> 40);
  const origin = load<u32>(c, R.CUBIC_ORIGIN);
  const target = t < k ? origin - delta : origin + delta;
  let count = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
  if (!lastMax && count > 20) count = 20;
  store<u32>(c, count, R.CUBIC_COUNT);
}

/** Time without anything to send does not count (cubictcp_cwnd_event). */
export function idle(c: usize, forMilliseconds: u32): void {
  const epoch = load<u32>(c, R.CUBIC_EPOCH);
  if (epoch) store<u32>(c, min<u32>(epoch + forMilliseconds, milliseconds() + 1), R.CUBIC_EPOCH);
}

/** A round trip of `sample` nanoseconds (cubictcp_acked): slow start ends when the way begins to fill. */
export function measured(c: usize, sample: u64): void {
  const epoch = load<u32>(c, R.CUBIC_EPOCH);
  if (epoch && milliseconds() + 1 - epoch < 1000) return;
  const delay = max<u32>(<u32>(sample / 1000), 1);
  const least = load<u32>(c, R.CUBIC_DELAY_MIN);
  if (!least || delay < least) store<u32>(c, delay, R.CUBIC_DELAY_MIN);
  const cwnd = load<u32>(c, R.TCP_CWND);
  if (load<u32>(c, R.HYSTART_FOUND) || cwnd < HYSTART_LOW_WINDOW || cwnd >= load<u32>(c, R.TCP_SSTHRESH)) return;
  if (after(load<u32>(c, R.TCP_SND_UNA), load<u32>(c, R.HYSTART_END))) beginRound(c);
  if (trainIsLong(c, cwnd) || delayGrows(c, delay)) {
    store<u32>(c, 1, R.HYSTART_FOUND);
    store<u32>(c, cwnd, R.TCP_SSTHRESH);
  }
}

/** Whether acknowledgements that follow each other closely have come for half a round trip. */
function trainIsLong(c: usize, cwnd: u32): bool {
  const at = microseconds();
  if (at - load<u32>(c, R.HYSTART_LAST) > HYSTART_ACK_DELTA) return false;
  store<u32>(c, at, R.HYSTART_LAST);
  // What a sender that paces waits between bursts (hystart_ack_delay).
  const burst = (262140 * (load<u64>(c, R.TCP_SRTT) / 1000)) / <u64>(2 * cwnd * load<u32>(c, R.TCP_MSS));
  const limit = (load<u32>(c, R.CUBIC_DELAY_MIN) + <u32>min<u64>(burst, 1000)) >> 1;
  return at - load<u32>(c, R.HYSTART_ROUND) > limit;
}

function delayGrows(c: usize, delay: u32): bool {
  if (delay < load<u32>(c, R.HYSTART_RTT)) store<u32>(c, delay, R.HYSTART_RTT);
  const samples = load<u32>(c, R.HYSTART_SAMPLES);
  if (samples < HYSTART_MIN_SAMPLES) {
    store<u32>(c, samples + 1, R.HYSTART_SAMPLES);
    return false;
  }
  const least = load<u32>(c, R.CUBIC_DELAY_MIN);
  const more = min<u32>(max<u32>(least >> 3, HYSTART_DELAY_LEAST), HYSTART_DELAY_MOST);
  return load<u32>(c, R.HYSTART_RTT) > least + more;
}
