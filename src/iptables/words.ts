// Lines of iptables-save text to words and back: blanks part words, double quotes keep them together.

/** Splits a line as iptables-restore does: inside double quotes a backslash protects the next character. Undefined if a quote is not closed. */
export function splitWords(line: string): string[] | undefined {
  const pieces: string[] = line.match(/(?:[^ \t"]+|"(?:[^"\\]|\\.)*")+|"/gs) ?? [];
  if (pieces.includes('"')) return undefined;
  return pieces.map((piece) =>
    piece.includes('"')
      ? piece.replace(/"((?:[^"\\]|\\.)*)"/gs, (_, text: string) => text.replace(/\\(.)/gs, "$1"))
      : piece,
  );
}

/** A word as iptables-save prints free text: bare if it is made of letters, digits, `_` and `-` only, else in quotes. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_-]+$/.test(text) ? text : `"${text.replace(/["'\\]/g, "\\$&")}"`;
}
