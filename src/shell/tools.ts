// The tools of the shell, by their names.
import type { Tool } from "./tool.ts";
import { conntrack } from "./tools/conntrack.ts";
import { curl } from "./tools/curl.ts";
import { dig } from "./tools/dig.ts";
import { cat, hostname, sysctl } from "./tools/host.ts";
import { bridge, ip } from "./tools/ip.ts";
import { ipset } from "./tools/ipset.ts";
import { ip6tables, ip6tablesSave, iptables, iptablesSave } from "./tools/iptables.ts";
import { nc } from "./tools/nc.ts";
import { nslookup } from "./tools/nslookup.ts";
import { nft } from "./tools/nft.ts";
import { nstat } from "./tools/nstat.ts";
import { ping } from "./tools/ping.ts";
import { ss } from "./tools/sockets.ts";
import { tcpdump } from "./tools/tcpdump.ts";
import { tracepath, traceroute } from "./tools/trace-route.ts";

export const TOOLS: ReadonlyMap<string, Tool> = new Map(
  Object.entries({
    bridge,
    cat,
    conntrack,
    curl,
    dig,
    hostname,
    ip,
    ipset,
    iptables,
    "iptables-legacy": iptables,
    "iptables-save": iptablesSave,
    "iptables-legacy-save": iptablesSave,
    ip6tables,
    "ip6tables-legacy": ip6tables,
    "ip6tables-save": ip6tablesSave,
    "ip6tables-legacy-save": ip6tablesSave,
    nc,
    nslookup,
    nft,
    nstat,
    ping,
    ss,
    sysctl,
    tcpdump,
    tracepath,
    traceroute,
  }),
);
