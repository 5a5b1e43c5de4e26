// The frame of a pcapng block and of its options: type, lengths and padding around a body, little-endian.

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Little-endian bytes of the numbers, `size` bytes each. */
export function littleEndian(size: 2 | 4, ...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (size === 2) view.setUint16(i * 2, value, true);
    else view.setUint32(i * 4, value, true);
  });
  return bytes;
}

/** Little-endian bytes of one 64-bit number. */
export function littleEndian64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** The parts one after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Zeros that bring a length to a multiple of four. */
function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}

/** An option or a name record: code, length, value, zeros. The length counts the value only and has 16 bits. */
export function option(code: number, value: Uint8Array): Uint8Array {
  if (value.length > 0xffff) throw new RangeError(`a pcapng option holds at most 65535 bytes, not ${value.length}`);
  return concat([littleEndian(2, code, value.length), value, padding(value.length)]);
}

/** The end of a list of options, and of a list of name records. */
export const END: Uint8Array = littleEndian(2, 0, 0);

/** A block: type, length, body, length again. The parts of the body come padded already. */
export function block(type: number, body: readonly Uint8Array[]): Uint8Array {
  const inner = concat(body);
  const length = inner.length + 12;
  return concat([littleEndian(4, type, length), inner, littleEndian(4, length)]);
}
