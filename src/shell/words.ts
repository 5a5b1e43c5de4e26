// A line of the shell to commands: words with quotes, and what stands between commands.

/** What follows a command decides how it runs: `&` in the background, `&&` and `||` let the next one run or not. */
export type Joint = ";" | "&&" | "||" | "&" | "";

export interface Command {
  words: string[];
  /** The rest of the line from `|` or `>` on: what this machine's own shell does with the output. */
  rest: string;
  joint: Joint;
}

/** Thrown for a line that is no line. */
export class LineError extends Error {}

/** Splits a line. A `#` at the beginning of a word begins a comment. */
export function parseLine(line: string): Command[] {
  const commands: Command[] = [];
  let words: string[] = [];
  let word: string | undefined;
  const endWord = (): void => {
    if (word !== undefined) words.push(word);
    word = undefined;
  };
  const endCommand = (joint: Joint, rest = ""): void => {
    endWord();
    if (words.length > 0) commands.push({ words, rest, joint });
    else if (joint !== ";" && joint !== "") throw new LineError(`there is no command before ${joint}`);
    else if (rest !== "") throw new LineError(`there is no command before ${rest[0]}`);
    words = [];
  };
  for (let i = 0; i < line.length; i++) {
    const char = line[i] ?? "";
    if (char === "'" || char === '"') {
      const end = closing(line, i);
      word = (word ?? "") + unquote(line.slice(i + 1, end), char);
      i = end;
    } else if (char === "\\" && i + 1 < line.length) {
      word = (word ?? "") + (line[++i] ?? "");
    } else if (/\s/.test(char)) {
      endWord();
    } else if (char === "#" && word === undefined) {
      break;
    } else if (line.startsWith("&&", i) || line.startsWith("||", i)) {
      endCommand(line.slice(i, i + 2) as Joint);
      i++;
    } else if (char === ";" || char === "&") {
      endCommand(char);
    } else if (char === "|" || char === ">") {
      const end = endOfRest(line, i);
      const joint = jointAt(line, end);
      // The 2 of 2>&1 is no word.
      const from = char === ">" && word === "2" ? i - 1 : i;
      if (from < i) word = undefined;
      endCommand(joint, line.slice(from, end).trim());
      i = end + joint.length - 1;
    } else word = (word ?? "") + char;
  }
  endCommand("");
  return commands;
}

function closing(line: string, from: number): number {
  const quote = line[from];
  for (let i = from + 1; i < line.length; i++) {
    if (line[i] === "\\" && quote === '"') i++;
    else if (line[i] === quote) return i;
  }
  throw new LineError(`a quote ${quote} is not closed`);
}

function unquote(text: string, quote: string): string {
  return quote === '"' ? text.replace(/\\(["\\$`])/g, "$1") : text;
}

/** Where what belongs to the machine's own shell ends: at a joint outside quotes. */
function endOfRest(line: string, from: number): number {
  for (let i = from; i < line.length; i++) {
    const char = line[i];
    if (char === "'" || char === '"') i = closing(line, i);
    else if (char === "\\") i++;
    // Not the & of 2>&1.
    else if (i > from && jointAt(line, i) !== "" && line[i - 1] !== ">") return i;
  }
  return line.length;
}

function jointAt(line: string, at: number): Joint {
  const two = line.slice(at, at + 2);
  if (two === "&&" || two === "||") return two;
  return line[at] === ";" ? ";" : line[at] === "&" ? "&" : "";
}
