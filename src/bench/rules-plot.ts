// The picture of `podwire bench rules`: what the first packet of a connection costs, and what rules cost to load and to change.
import { PROXY_MODES } from "../node/machine.ts";
import { PUBLISHED_FIRST_PACKET, PUBLISHED_SOURCE } from "./published.ts";
import { formatCount, formatTime, type Axis, type Plot, type Series } from "./plot.ts";
import type { RulesRow } from "./rules.ts";

const SERVICES: Axis = { label: "Services, of one port and one endpoint each", scale: "log", format: formatCount };

const FIRST_PACKET_NAMES: Readonly<Record<string, string>> = {
  "iptables index": "podwire",
  "iptables linear": "podwire --matcher linear",
  "nftables index": "podwire, nftables mode",
  "ipvs index": "podwire, ipvs mode",
  "iptables linux legacy": "this Linux, iptables-legacy",
  "iptables linux nft": "this Linux, iptables-nft",
};

const COSTS = [
  ["parse_ms", "podwire: parse"],
  ["compile_ms", "podwire: compile"],
  ["index_ms", "podwire: index"],
  ["change_ms", "podwire: change one Service"],
  ["iptables_legacy_restore_ms", "iptables-legacy-restore, all"],
  ["iptables_legacy_change_ms", "iptables-legacy, one Service"],
] as const;

const TABLE_COSTS = [
  ["parse_ms", "nftables mode: parse"],
  ["compile_ms", "nftables mode: compile"],
  ["change_ms", "nftables mode: change one Service"],
  ["nft_load_ms", "nft -f, all"],
] as const;

const SERVER_COSTS = [
  ["index_ms", "ipvs mode: virtual servers and sets"],
  ["change_ms", "ipvs mode: change one Service"],
] as const;

const FIELDS = { iptables: COSTS, nftables: TABLE_COSTS, ipvs: SERVER_COSTS } as const;

/** The plot of some rows. */
export function rulesPlot(rows: readonly RulesRow[]): Plot {
  const kinds = [...new Set(rows.map(kindOf))];
  const first = kinds.map((kind): Series => {
    const points = pointsOf(rows.filter((row) => kindOf(row) === kind), "ns_per_new", 1); // prettier-ignore
    return { name: FIRST_PACKET_NAMES[kind] ?? kind, points };
  });
  // What does not depend on the matcher stands in the rows of each.
  const costs = PROXY_MODES.flatMap((mode) => {
    const kind = kinds.find((one) => one.startsWith(`${mode} `));
    const own = rows.filter((row) => kindOf(row) === kind);
    const fields = kind === undefined ? [] : FIELDS[mode];
    return fields.map(([field, name]): Series => ({ name, points: pointsOf(own, field, 1e6) }));
  });
  return {
    title: "kube-proxy's rules by the number of Services",
    subtitle: "Pods on one node call a Service whose pod is on another; both nodes have all rules.",
    charts: [
      {
        title: "First packet of a connection, from pod to pod",
        x: SERVICES,
        y: { label: "time per packet", scale: "log", format: formatTime },
        series: [...first, ...PUBLISHED_FIRST_PACKET],
      },
      {
        title: "Loading the rules of a node, and changing one Service",
        x: SERVICES,
        y: { label: "time", scale: "log", format: formatTime },
        series: costs,
      },
    ],
    notes: [PUBLISHED_SOURCE],
  };
}

/** What a row is of: kube-proxy's mode, and who walks its rules. */
function kindOf({ mode, matcher }: RulesRow): string {
  return `${mode} ${matcher}`;
}

function pointsOf(rows: readonly RulesRow[], field: keyof RulesRow, scale: number): [number, number][] {
  return rows.flatMap((row): [number, number][] => {
    const value = row[field];
    return typeof value === "number" ? [[row.services, value * scale]] : [];
  });
}
