// The tools of the shell, by their names.
import type { Tool } from "./tool.ts";
import { curl } from "./tools/curl.ts";
import { dig } from "./tools/dig.ts";
import { bridge, ip } from "./tools/ip.ts";
import { iptables, iptablesSave } from "./tools/iptables.ts";
import { ping } from "./tools/ping.ts";

export const TOOLS: ReadonlyMap<string, Tool> = new Map(
  Object.entries({
    bridge,
    curl,
    dig,
    ip,
    iptables,
    "iptables-legacy": iptables,
    "iptables-save": iptablesSave,
    "iptables-legacy-save": iptablesSave,
    ping,
  }),
);
