// -m comment: text for the reader; it always matches and is not compiled.
import type { MatchExtension } from "../extension.ts";
import { quote } from "../words.ts";

export interface CommentMatch {
  kind: "comment";
  text: string;
}

export const comment: MatchExtension<CommentMatch> = {
  name: "comment",
  options: [{ name: "comment" }],
  parse: (options) => ({
    kind: "comment",
    text: options.need("comment", "shorter than 256 characters", (word) => (word.length < 256 ? word : undefined)),
  }),
  print: (match) => ` --comment ${quote(match.text)}`,
  compile: () => [],
};
