// Lines of iptables-save text to words and back: blanks part words, double quotes keep them together.

/** Splits a line as iptables-restore does: inside double quotes a backslash protects the next character. Undefined if a quote is not closed. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  while (true) {
    while (isBlank(line.charCodeAt(at))) at++;
    if (at >= line.length) return words;
    let word = "";
    let from = at;
    for (; at < line.length && !isBlank(line.charCodeAt(at)); at++) {
      if (line.charCodeAt(at) !== QUOTE) continue;
      const end = closingQuote(line, at + 1);
      if (end < 0) return undefined;
      word += line.slice(from, at) + line.slice(at + 1, end).replace(/\\(.)/gs, "$1");
      at = end;
      from = end + 1;
    }
    words.push(word + line.slice(from, at));
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Where the quotes are closed that were opened before `at`; -1: nowhere. */
function closingQuote(line: string, at: number): number {
  for (let i = at; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (code === QUOTE) return i;
    if (code === BACKSLASH) i++;
  }
  return -1;
}

/** A word as iptables-save prints free text: bare if it is made of letters, digits, `_` and `-` only, else in quotes. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_-]+$/.test(text) ? text : `"${text.replace(/["'\\]/g, "\\$&")}"`;
}
