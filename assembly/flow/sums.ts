// Checksums changed by a sum that was made before (RFC 1624: HC' = ~(~HC + ~m + m'), with all ~m + m' added up beforehand).
//
// A sum of 16-bit words may be taken in either byte order, so nothing is swapped. Any nonzero sum folds to 1..0xffff, so changing a
// checksum at once gives the same bytes as changing it word by word.

/** Changes the checksum at `field` by a sum of differences, which is not 0. */
export function patch(field: usize, delta: u32): void {
  let total = (~(<u32>load<u16>(field)) & 0xffff) + delta;
  total = (total & 0xffff) + (total >> 16);
  total = (total & 0xffff) + (total >> 16);
  store<u16>(field, <u16>~total);
}

/** The same for UDP: no checksum stays none, and a computed zero is sent as its twin. */
export function patchUdp(field: usize, delta: u32): void {
  if (!load<u16>(field)) return;
  patch(field, delta);
  if (!load<u16>(field)) store<u16>(field, 0xffff);
}
