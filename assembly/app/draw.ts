// Numbers drawn from distributions (DRAW_*), by inversion from one stream of random bits, so that a seed gives the same ones everywhere.
import {
  DRAWN_EXPONENTIAL,
  DRAWN_LOGNORMAL,
  DRAWN_PARETO,
  DRAWN_UNIFORM,
  DRAW_A,
  DRAW_B,
  DRAW_KIND,
  DRAW_LEAST,
  DRAW_MOST,
} from "../layout/traffic.ts";
import { fraction } from "../memory/random.ts";

/** A number from a distribution; `random` is the state of the generator. */
export function draw(distribution: usize, random: usize): f64 {
  const value = drawn(distribution, random);
  return max<f64>(load<f64>(distribution, DRAW_LEAST), min<f64>(load<f64>(distribution, DRAW_MOST), value));
}

function drawn(distribution: usize, random: usize): f64 {
  const a = load<f64>(distribution, DRAW_A);
  const b = load<f64>(distribution, DRAW_B);
  switch (load<i32>(distribution, DRAW_KIND)) {
    case DRAWN_UNIFORM:
      return a + (b - a) * (1.0 - fraction(random));
    case DRAWN_EXPONENTIAL:
      return -NativeMath.log(fraction(random)) * a;
    case DRAWN_LOGNORMAL:
      return a * NativeMath.exp(b * normal(random));
    case DRAWN_PARETO:
      return a * NativeMath.pow(fraction(random), -1.0 / b);
    default:
      return a;
  }
}

/** A number from the standard normal distribution (Box and Muller). */
function normal(random: usize): f64 {
  const radius = NativeMath.sqrt(-2.0 * NativeMath.log(fraction(random)));
  return radius * NativeMath.cos(2.0 * NativeMath.PI * fraction(random));
}

/** The same as a whole number, up to one half down. */
export function drawWhole(distribution: usize, random: usize): u64 {
  return <u64>NativeMath.floor(draw(distribution, random) + 0.5);
}
