// The one error that a user can cause: bad input, told in one sentence with file, line and field.

/** Where in the user's input something is wrong. `line` counts from 1. */
export interface Place {
  file?: string | undefined;
  line?: number | undefined;
  /** The path of the field, such as `spec.ports[0].nodePort`. */
  field?: string | undefined;
}

/** Bad input. The message reads `file:line: field: sentence`; commands print it and exit with status 2. */
export class InputError extends Error {
  readonly place: Place;
  readonly sentence: string;

  constructor(place: Place, sentence: string) {
    const { file, line, field } = place;
    const where = [file && line ? `${file}:${line}` : file, field].filter(Boolean);
    super([...where, sentence].join(": "));
    this.name = "InputError";
    this.place = place;
    this.sentence = sentence;
  }
}

const CHOICES = 8;

/** What there is in place of what is not: `; there are web, cart and 3 more`, or nothing. For the end of a sentence. */
export function among(names: Iterable<string>): string {
  const all = [...new Set(names)];
  if (all.length === 0) return "";
  const more = all.length > CHOICES ? ` and ${all.length - CHOICES} more` : "";
  return `; there ${all.length === 1 ? "is" : "are"} ${all.slice(0, CHOICES).join(", ")}${more}`;
}
