// The sysctls that the kernel has, by their names.
import * as R from "../../assembly/layout/records.ts";

/** Keys of a namespace, with the index of their word. Times of conntrack are in seconds. */
const NAMESPACE_KEYS: Readonly<Record<string, number>> = {
  "net.ipv4.ip_forward": R.SYSCTL_IP_FORWARD,
  "net.bridge.bridge-nf-call-iptables": R.SYSCTL_BRIDGE_NF,
  "net.ipv4.conf.all.rp_filter": R.SYSCTL_RP_FILTER,
  "net.ipv4.conf.all.route_localnet": R.SYSCTL_ROUTE_LOCALNET,
  "net.ipv4.conf.all.arp_ignore": R.SYSCTL_ARP_IGNORE,
  "net.ipv4.conf.all.send_redirects": R.SYSCTL_SEND_REDIRECTS,
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

/** Keys of a device, `net.ipv4.conf.DEVICE.KEY`, with the offset of their word. */
const DEVICE_KEYS: Readonly<Record<string, number>> = {
  rp_filter: R.DEV_RP_FILTER,
  arp_ignore: R.DEV_ARP_IGNORE,
  route_localnet: R.DEV_ROUTE_LOCALNET,
  send_redirects: R.DEV_SEND_REDIRECTS,
};

export type Sysctl = { index: number } | { device: string; field: number };

/** What a key means; undefined if the kernel does not have it. */
export function findSysctl(key: string): Sysctl | undefined {
  const index = NAMESPACE_KEYS[key];
  if (index !== undefined) return { index };
  const [, device, name] = /^net\.ipv4\.conf\.([^.]+)\.(\w+)$/.exec(key) ?? [];
  const field = name === undefined ? undefined : DEVICE_KEYS[name];
  return device === undefined || device === "all" || field === undefined ? undefined : { device, field };
}
