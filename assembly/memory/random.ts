// Pseudo-random numbers from a 64-bit state that lives in a record (SplitMix64), so that each namespace and flow has its own stream.

/** Steps the generator at `state` and returns 32 random bits. */
export function next32(state: usize): u32 {
  let z = load<u64>(state) + 0x9e3779b97f4a7c15;
  store<u64>(state, z);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return <u32>((z ^ (z >> 31)) >> 32);
}

/** A number from 0 to below `limit`, as the kernel's get_random_u32_below (multiply and shift; the bias is below 2^-32 x limit). */
export function below(state: usize, limit: u32): u32 {
  return <u32>((<u64>next32(state) * <u64>limit) >> 32);
}

/** A number above 0 and up to 1. */
export function fraction(state: usize): f64 {
  return (<f64>next32(state) + 1.0) / 4294967296.0;
}
