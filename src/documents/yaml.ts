// YAML and JSON text as kubectl reads it: YAML 1.1, as Go's library takes it, and JSON objects one after the other.
import { Composer, Lexer, LineCounter, Parser, type Document } from "yaml";

export interface YamlDocument {
  yaml: Document;
  /** The line of the file in which the character at `offset` of the document's part stands. */
  lineOf: (offset: number) => number;
}

/** The documents of a text, empty ones too; what is wrong with them is in their `errors`. */
export function readYaml(text: string): YamlDocument[] {
  return jsonObjects(text).flatMap(({ part, line }) => {
    const lines = new LineCounter();
    const lineOf = (offset: number): number => line + lines.linePos(offset).line - 1;
    return readPart(part, lines).map((yaml) => ({ yaml, lineOf }));
  });
}

function readPart(text: string, lineCounter: LineCounter): Document[] {
  // YAML 1.1: `yes` and `on` are booleans, 0644 is octal, `<<` merges.
  const composer = new Composer({
    lineCounter,
    prettyErrors: false,
    version: "1.1",
    merge: true,
    customTags: (tags) => tags.filter((tag) => typeof tag === "string" || !isTime(tag)),
    logLevel: "error",
  });
  const parser = new Parser(lineCounter.addNewLine);
  lineCounter.addNewLine(0);
  const documents: Document[] = [];
  for (const lexeme of quoteLexer().lex(text))
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end());
  return documents;
}

/** Times and dates, `2026-01-31` and `12:30`, which Go's YAML leaves as they are written. */
function isTime({ tag, format }: { tag: string; format?: string }): boolean {
  return tag === "tag:yaml.org,2002:timestamp" || format === "TIME";
}

/** What is overridden of the lexer. */
interface LexerParts {
  buffer: string;
  pos: number;
  continueScalar: (offset: number) => number;
}

/**
 * A lexer that lets the lines of a quoted text begin at any column, as Go's YAML does and writes them itself (CRDs are full of them).
 * YAML's grammar wants them indented; their leading blanks are folded away in either case.
 */
function quoteLexer(): Lexer {
  const lexer = new Lexer();
  const parts = lexer as unknown as LexerParts;
  const byGrammar = parts.continueScalar.bind(lexer);
  parts.continueScalar = (offset) => {
    const { buffer, pos } = parts;
    if (buffer[pos] !== "'" && buffer[pos] !== '"') return byGrammar(offset);
    return /^(?:---|\.\.\.)(?:\s|$)/.test(buffer.slice(offset, offset + 4)) ? -1 : offset;
  };
  return lexer;
}

interface Part {
  part: string;
  /** In which it begins. */
  line: number;
}

/** A file of JSON objects, one after the other, in its parts; any other text is one part. */
function jsonObjects(text: string): Part[] {
  const whole = [{ part: text, line: 1 }];
  if (!/^\s*\{/.test(text)) return whole;
  const parts: Part[] = [];
  let begin = 0;
  let line = 1;
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token === "{") depth++;
    if (token !== "}" || --depth > 0) continue;
    const part = text.slice(begin, index + 1);
    if (!isJson(part)) return whole;
    parts.push({ part, line });
    begin = index + 1;
    line += part.split("\n").length - 1;
  }
  return text.slice(begin).trim() === "" ? parts : whole;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
