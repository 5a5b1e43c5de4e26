// The sysctls that a machine may be told: those that the kernel has, by their names.
import * as R from "../../assembly/layout/records.ts";

/** Keys of a namespace, with the index of their word. Times of conntrack are in seconds. */
const NAMESPACE_KEYS: Readonly<Record<string, number>> = {
  "net.ipv4.ip_forward": R.SYSCTL_IP_FORWARD,
  "net.bridge.bridge-nf-call-iptables": R.SYSCTL_BRIDGE_NF,
  "net.bridge.bridge-nf-call-ip6tables": R.SYSCTL_BRIDGE_NF6,
  "net.ipv6.conf.all.forwarding": R.SYSCTL_IPV6_FORWARDING,
  "net.ipv6.conf.all.disable_ipv6": R.SYSCTL_IPV6_DISABLE,
  "net.ipv6.conf.all.hop_limit": R.SYSCTL_IPV6_HOP_LIMIT,
  "net.ipv6.auto_flowlabels": R.SYSCTL_AUTO_FLOWLABELS,
  "net.ipv6.icmp.ratelimit": R.SYSCTL_ICMPV6_RATELIMIT,
  "net.ipv6.ip6frag_time": R.SYSCTL_IP6FRAG_TIME,
  "net.netfilter.nf_conntrack_icmpv6_timeout": R.SYSCTL_CT_ICMPV6,
  "net.ipv4.conf.all.rp_filter": R.SYSCTL_RP_FILTER,
  "net.ipv4.conf.all.route_localnet": R.SYSCTL_ROUTE_LOCALNET,
  "net.ipv4.conf.all.arp_ignore": R.SYSCTL_ARP_IGNORE,
  "net.ipv4.conf.all.send_redirects": R.SYSCTL_SEND_REDIRECTS,
  "net.ipv4.conf.all.arp_announce": R.SYSCTL_ARP_ANNOUNCE,
  "net.ipv4.conf.all.arp_filter": R.SYSCTL_ARP_FILTER,
  "net.ipv4.conf.all.arp_accept": R.SYSCTL_ARP_ACCEPT,
  "net.ipv4.conf.all.proxy_arp": R.SYSCTL_PROXY_ARP,
  "net.ipv4.conf.all.bc_forwarding": R.SYSCTL_BC_FORWARDING,
  "net.ipv4.conf.all.accept_source_route": R.SYSCTL_ACCEPT_SOURCE_ROUTE,
  "net.ipv4.conf.all.accept_local": R.SYSCTL_ACCEPT_LOCAL,
  "net.ipv4.icmp_errors_use_inbound_ifaddr": R.SYSCTL_ERRORS_USE_INBOUND,
  "net.ipv4.tcp_synack_retries": R.SYSCTL_SYNACK_RETRIES,
  "net.core.somaxconn": R.SYSCTL_SOMAXCONN,
  "net.ipv4.tcp_syncookies": R.SYSCTL_TCP_SYNCOOKIES,
  "net.ipv4.tcp_max_syn_backlog": R.SYSCTL_TCP_MAX_SYN_BACKLOG,
  "net.ipv4.tcp_abort_on_overflow": R.SYSCTL_TCP_ABORT_ON_OVERFLOW,
  "net.ipv4.tcp_congestion_control": R.SYSCTL_TCP_CONGESTION,
  "net.ipv4.tcp_moderate_rcvbuf": R.SYSCTL_TCP_MODERATE_RCVBUF,
  "net.ipv4.tcp_slow_start_after_idle": R.SYSCTL_TCP_IDLE_RESTART,
  "net.ipv4.ip_default_ttl": R.SYSCTL_DEFAULT_TTL,
  "net.ipv4.icmp_ratelimit": R.SYSCTL_ICMP_RATELIMIT,
  "net.ipv4.icmp_ratemask": R.SYSCTL_ICMP_RATEMASK,
  "net.ipv4.icmp_msgs_per_sec": R.SYSCTL_ICMP_MSGS_PER_SEC,
  "net.ipv4.icmp_msgs_burst": R.SYSCTL_ICMP_MSGS_BURST,
  "net.ipv4.icmp_echo_ignore_all": R.SYSCTL_ECHO_IGNORE_ALL,
  "net.ipv4.icmp_echo_ignore_broadcasts": R.SYSCTL_ECHO_IGNORE_BROADCASTS,
  "net.netfilter.nf_conntrack_max": R.SYSCTL_CT_MAX,
  "net.netfilter.nf_conntrack_checksum": R.SYSCTL_CT_CHECKSUM,
  "net.netfilter.nf_conntrack_tcp_be_liberal": R.SYSCTL_CT_LIBERAL,
  "net.netfilter.nf_conntrack_tcp_loose": R.SYSCTL_CT_LOOSE,
  "net.netfilter.nf_conntrack_tcp_max_retrans": R.SYSCTL_CT_MAX_RETRANS,
  "net.netfilter.nf_conntrack_tcp_timeout_syn_sent": R.SYSCTL_CT_TCP_TIMEOUTS + 1,
  "net.netfilter.nf_conntrack_tcp_timeout_syn_recv": R.SYSCTL_CT_TCP_TIMEOUTS + 2,
  "net.netfilter.nf_conntrack_tcp_timeout_established": R.SYSCTL_CT_TCP_TIMEOUTS + 3,
  "net.netfilter.nf_conntrack_tcp_timeout_fin_wait": R.SYSCTL_CT_TCP_TIMEOUTS + 4,
  "net.netfilter.nf_conntrack_tcp_timeout_close_wait": R.SYSCTL_CT_TCP_TIMEOUTS + 5,
  "net.netfilter.nf_conntrack_tcp_timeout_last_ack": R.SYSCTL_CT_TCP_TIMEOUTS + 6,
  "net.netfilter.nf_conntrack_tcp_timeout_time_wait": R.SYSCTL_CT_TCP_TIMEOUTS + 7,
  "net.netfilter.nf_conntrack_tcp_timeout_close": R.SYSCTL_CT_TCP_TIMEOUTS + 8,
  "net.netfilter.nf_conntrack_tcp_timeout_max_retrans": R.SYSCTL_CT_TCP_RETRANS,
  "net.netfilter.nf_conntrack_tcp_timeout_unacknowledged": R.SYSCTL_CT_TCP_UNACK,
  "net.netfilter.nf_conntrack_udp_timeout": R.SYSCTL_CT_UDP,
  "net.netfilter.nf_conntrack_udp_timeout_stream": R.SYSCTL_CT_UDP_STREAM,
  "net.netfilter.nf_conntrack_icmp_timeout": R.SYSCTL_CT_ICMP,
  "net.netfilter.nf_conntrack_generic_timeout": R.SYSCTL_CT_GENERIC,
};

/** Keys whose values are words; the kernel keeps a word's place in the list. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  "net.ipv4.tcp_congestion_control": ["cubic", "reno"], // CONGESTION_*
};

/** Keys of a device, `net.ipv4.conf.DEVICE.KEY`, with the offset of their word. */
const DEVICE_KEYS: Readonly<Record<string, number>> = {
  rp_filter: R.DEV_RP_FILTER,
  arp_ignore: R.DEV_ARP_IGNORE,
  route_localnet: R.DEV_ROUTE_LOCALNET,
  send_redirects: R.DEV_SEND_REDIRECTS,
  forwarding: R.DEV_FORWARDING,
  bc_forwarding: R.DEV_BC_FORWARDING,
  arp_announce: R.DEV_ARP_ANNOUNCE,
  arp_filter: R.DEV_ARP_FILTER,
  arp_accept: R.DEV_ARP_ACCEPT,
  proxy_arp: R.DEV_PROXY_ARP,
  accept_source_route: R.DEV_ACCEPT_SOURCE_ROUTE,
  accept_local: R.DEV_ACCEPT_LOCAL,
};

/** The same of IPv6, `net.ipv6.conf.DEVICE.KEY`. */
const DEVICE_KEYS6: Readonly<Record<string, number>> = {
  accept_redirects: R.DEV_ACCEPT_REDIRECTS6,
};

/** Keys of a device's neighbours of both families, `net.ipv4.neigh.DEVICE.KEY` or of ipv6, with the offset of their word and how many of its units one is. */
const NEIGHBOUR_KEYS: Readonly<Record<string, { field: number; scale: number }>> = {
  retrans_time_ms: { field: R.DEV_NEIGH_RETRANS, scale: 1 },
  locktime: { field: R.DEV_NEIGH_LOCKTIME, scale: 10 }, // in clock ticks of 1/100 s
  proxy_delay: { field: R.DEV_NEIGH_PROXY_DELAY, scale: 10 },
  delay_first_probe_time: { field: R.DEV_NEIGH_DELAY, scale: 1 },
};

/** The value is multiplied by `scale` before it is stored. */
export type Sysctl = { index: number } | { device: string; field: number; scale: number };

/** What a key means; undefined if the kernel does not have it. */
export function findSysctl(key: string): Sysctl | undefined {
  const index = NAMESPACE_KEYS[key];
  if (index !== undefined) return { index };
  const [, kind, device, name = ""] = /^net\.(ipv[46]\.conf|ipv[46]\.neigh)\.(.+)\.(\w+)$/.exec(key) ?? [];
  if (device === undefined || device === "all" || device === "default") return undefined;
  if (kind?.endsWith(".neigh")) {
    const found = NEIGHBOUR_KEYS[name];
    return found && { device, ...found };
  }
  const field = (kind === "ipv6.conf" ? DEVICE_KEYS6 : DEVICE_KEYS)[name];
  return field === undefined ? undefined : { device, field, scale: 1 };
}

/** The words that a key's value may be; undefined: it is a number. */
export function sysctlWords(key: string): readonly string[] | undefined {
  return WORDS[key];
}

/** The number that the kernel keeps for a value; not a number (NaN) if the key does not have such a value. */
export function sysctlNumber(key: string, value: string | number | boolean): number {
  const words = sysctlWords(key);
  if (!words) return Number(value);
  const at = words.indexOf(String(value));
  return at < 0 ? Number.NaN : at;
}

/** All keys, with those of these devices. */
export function sysctlNames(devices: readonly string[]): string[] {
  const own = devices.flatMap((device) => [
    ...Object.keys(DEVICE_KEYS).map((key) => `net.ipv4.conf.${device}.${key}`),
    ...Object.keys(DEVICE_KEYS6).map((key) => `net.ipv6.conf.${device}.${key}`),
    ...Object.keys(NEIGHBOUR_KEYS).map((key) => `net.ipv4.neigh.${device}.${key}`),
  ]);
  return [...Object.keys(NAMESPACE_KEYS), ...own].sort();
}
