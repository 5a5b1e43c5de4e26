// Maps of the Kubernetes API: fields that are read, fields that exist but have no part in the network, and no others.
import { z } from "zod";

/** How far a name may be from another to be taken for a slip. */
const SLIP = 2;

/**
 * A map with the fields of `shape`, which are read, and the `others` of the API, which are let through unread. Any other field is an
 * error, as it is for kubectl: it would not do what its writer meant.
 */
export function apiObject<T extends z.ZodRawShape>(shape: T, others: readonly string[] = []) {
  const known = new Set([...Object.keys(shape), ...others]);
  return z
    .unknown()
    .superRefine((value, context) => {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return;
      for (const field of Object.keys(value))
        if (!known.has(field)) context.addIssue({ code: "custom", path: [field], message: complaint(field, known) });
    })
    .pipe(z.object(shape));
}

/** One of `names`; an empty text is as good as none and stands for `otherwise`, as in the API's Go structs. */
export function oneOf<const T extends readonly [string, ...string[]]>(names: T, otherwise: T[number]) {
  return z.preprocess((value) => (value === "" || value === undefined ? otherwise : value), z.enum(names));
}

/** A whole object: with `apiVersion`, `kind` and, unless they are in the shape, `spec` and `status`. */
export function apiKind<T extends z.ZodRawShape>(shape: T) {
  return apiObject(shape, ["apiVersion", "kind", "spec", "status"]);
}

function complaint(field: string, known: ReadonlySet<string>): string {
  const meant = [...known].find((name) => slips(field.toLowerCase(), name.toLowerCase()) <= SLIP);
  return `there is no such field${meant === undefined ? "" : `; ${meant} would be one`}`;
}

/** Levenshtein's distance. */
function slips(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] ?? 0) + (letter === b[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
