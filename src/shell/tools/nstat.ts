// `nstat`: the counters of a namespace's listeners, in the columns of iproute2.
import { tcpExt } from "../../kernel/netstat.ts";
import { globMatches } from "../../seam/glob.ts";
import { readOptions } from "../options.ts";
import { ToolError, type Tool } from "../tool.ts";

const SPEC = { a: "flag", z: "flag", s: "flag" } as const;
const ALIAS = { ignore: "a", zeros: "z", noupdate: "s" };

export const nstat: Tool = {
  usage: "nstat -a [-z] [-s] [PATTERN ...]",
  run(context, words) {
    const given = readOptions("nstat", words, SPEC, ALIAS);
    if (!given.has("a")) throw new ToolError("nstat: what was counted since the last call is not kept; -a shows all");
    const wanted = (name: string): boolean =>
      given.words.length === 0 || given.words.some((pattern) => globMatches(pattern, name));
    const rows = [...tcpExt(context.emulation.kernel, context.namespace.handle)]
      .map(([name, count]) => ({ name: `TcpExt${name}`, count }))
      .filter(({ name, count }) => wanted(name) && (given.has("z") || count > 0));
    context.out(
      `#kernel\n${rows.map(({ name, count }) => `${name.padEnd(32)}${`${count}`.padEnd(16)}   0.0\n`).join("")}`,
    );
    return 0;
  },
};
