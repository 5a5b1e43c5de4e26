// Globs over interface names: `*` is any run of characters, `/` included, `?` is one.

/** Whether a name such as `node-1/vbr0` matches a glob such as `node-*\/vbr0`. */
export function globMatches(glob: string, name: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${pattern}$`).test(name);
}
