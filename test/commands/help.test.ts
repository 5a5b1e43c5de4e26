// `--help` of every command: it names all options with a sentence each, in lines that fit a terminal, and the pages name them too.
import { expect, test } from "vitest";
import { projectFiles } from "../structure/tree.ts";
import { podwire } from "../tools/podwire.ts";

const COMMANDS = [
  "",
  ...["run", "report", "rules", "lab", "trace", "sh", "extcap"],
  ...[
    "bench path",
    "bench rules",
    "bench workers",
    "bench capture",
    "bench scale",
    "bench saturation",
    "bench latency",
  ],
  ...["sweep plan", "sweep run", "sweep merge", "sweep manifest"],
];
/** What Wireshark says to a plug-in, which people never type, and what every program has. */
const ELSEWHERE = /^--(extcap-[a-z-]+|fifo|file|devices|version|help)$/;

const pages = [...projectFiles("docs", ".md"), ...projectFiles("", "README.md")].map(({ text }) => text).join("\n");

test("the help names every command", () => {
  const named = (...args: string[]): string[] => {
    const [, list = ""] = podwire(...args, "--help").stdout.split("Commands:\n");
    return [...list.matchAll(/^ {2}(\w+)/gm)].map(([, name = ""]) => name).filter((name) => name !== "help");
  };
  const groups = ["bench", "sweep"];
  const all = [
    ...named().filter((name) => !groups.includes(name)),
    ...groups.flatMap((group) => named(group).map((name) => `${group} ${name}`)),
  ];
  expect(all.sort()).toEqual(COMMANDS.filter((name) => name !== "").sort());
});

test.each(COMMANDS)("podwire %s --help", (command) => {
  const { status, stdout } = podwire(...command.split(" ").filter((word) => word !== ""), "--help");
  expect(status).toBe(0);
  const [, options = ""] = stdout.split("Options:\n");
  const described = [...options.matchAll(/^ {2}(?:(-\w), )?(--[\w-]+)(?: <.*?>)? +(\S.*)?/gm)];
  expect(described.length).toBeGreaterThan(0);
  for (const [, short = "none", option = "", sentence = ""] of described) {
    expect([option, sentence]).toEqual([option, expect.stringMatching(/\w/)]);
    if (!ELSEWHERE.test(option)) expect(pages).toMatch(new RegExp(`[ \`](${option}|${short})\\b`));
  }
  // Paragraphs are broken by the terminal's width alone.
  const [before = ""] = stdout.split("Options:\n");
  const broken = before.split("\n").filter((line, i, all) => /^[^ ].{0,39}[a-z,]$/.test(line) && all[i + 1] !== "");
  expect(broken).toEqual([]);
});
