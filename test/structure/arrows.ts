// Which folder may import which: the lists, and the check of a set of files against them.
import { posix } from "node:path";
import type { TextFile } from "./tree.ts";

/** An order of folders, from the bottom up: a folder imports from itself and from those before it, never from those after it. */
export interface Order {
  root: string;
  /** Folders and single files without their ending. */
  parts: string[];
  /** Besides the order: parts on the left do not import those on the right. */
  apart: [from: string[], to: string[]][];
  /** Folders outside the root that files may import. */
  outside: string[];
}

export const ORDERS: Order[] = [
  {
    root: "assembly",
    parts: [
      "layout",
      "memory",
      "wire",
      "fib",
      "track",
      "observe",
      "ipvs",
      "netfilter",
      "link",
      "floor",
      "ip",
      "flow",
      "socket",
      "app",
      "path",
      "processor",
      "index",
    ],
    apart: [],
    outside: [],
  },
  {
    root: "src",
    parts: [
      "errors",
      "address",
      "address6",
      "documents",
      "pcap",
      "extcap",
      "iptables",
      "nftables",
      "seam",
      "kernel",
      "engine",
      "kubernetes",
      "node",
      "scenario",
      "report",
      "sweep",
      "trace",
      "lab",
      "bench",
      "shell",
      "commands",
      "cli",
    ],
    // The seam: what programs the network hands data to what moves the frames; only a command holds both.
    apart: [
      [
        [
          "documents",
          "pcap",
          "iptables",
          "nftables",
          "seam",
          "kubernetes",
          "node",
          "scenario",
          "report",
          "sweep",
          "trace",
        ],
        ["kernel", "engine"],
      ],
    ],
    outside: ["assembly/layout"],
  },
];

/** Every import that breaks the order, as a sentence with the file. */
export function brokenArrows(files: readonly TextFile[], order: Order): string[] {
  return files.flatMap((file) => {
    const from = partOf(file.path, order);
    if (from === undefined) return [`${file.path}: ${order.root}'s order does not name its folder`];
    return importsOf(file).flatMap((target) => {
      const complaint = judgeImport(from, target, order);
      return complaint === undefined ? [] : [`${file.path}: ${complaint}`];
    });
  });
}

function judgeImport(from: string, target: string, order: Order): string | undefined {
  if (!target.startsWith(`${order.root}/`)) {
    const allowed = order.outside.some((folder) => target.startsWith(`${folder}/`));
    return allowed ? undefined : `imports ${target}, which is outside ${order.root}`;
  }
  const to = partOf(target, order);
  if (to === undefined) return `imports ${target}, whose folder the order does not name`;
  if (order.parts.indexOf(to) > order.parts.indexOf(from)) return `imports upward, ${target}`;
  if (order.apart.some(([left, right]) => left.includes(from) && right.includes(to))) {
    return `imports ${target}, but ${from} and ${to} are kept apart`;
  }
  return undefined;
}

/** The part of an order that a path belongs to. */
function partOf(path: string, order: Order): string | undefined {
  const name = (path.split("/")[1] ?? "").replace(/\.ts$/, "");
  return order.parts.includes(name) ? name : undefined;
}

/** The project files that a file imports or re-exports, as paths from the root. Packages are left out. */
export function importsOf(file: TextFile): string[] {
  const statements =
    /(?:^|\n)\s*(?:import|export)\b[^;"'`]*?from\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/g;
  const targets = [...file.text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? "");
  const relative = targets.filter((target) => target.startsWith("."));
  return relative.map((target) => posix.join(posix.dirname(file.path), target));
}
