// -m nfacct: counts into a named accounting object; it always matches and is not compiled.
import type { MatchExtension } from "../extension.ts";

export interface NfacctMatch {
  kind: "nfacct";
  name: string;
}

export const nfacct: MatchExtension<NfacctMatch> = {
  name: "nfacct",
  options: [{ name: "nfacct-name" }],
  parse: (options) => ({
    kind: "nfacct",
    name: options.need("nfacct-name", "a name of 1 to 31 characters", (word) =>
      word.length > 0 && word.length < 32 ? word : undefined,
    ),
  }),
  // iptables-save prints two blanks here.
  print: (match) => ` --nfacct-name  ${match.name}`,
  compile: () => [],
};
