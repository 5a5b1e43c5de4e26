// A frame in the pool: 128 bytes of what Linux keeps in struct sk_buff, then the buffer with the bytes on the wire.
//
//   frame                      +128            data                       data + len      +FRAME_BYTES
//   | metadata (words below)    | headroom       | Ethernet | IPv4 | ...     | tailroom     |
const WORD = 4;

export const FRAME_NEXT = 0; // the list that the frame is on
export const FRAME_STAGE = FRAME_NEXT + WORD; // what the backlog does with it: STAGE_*
export const FRAME_DEVICE = FRAME_STAGE + WORD; // skb->dev
export const FRAME_DATA = FRAME_DEVICE + WORD; // address of the Ethernet header
export const FRAME_LENGTH = FRAME_DATA + WORD; // from the Ethernet header to the end
export const FRAME_NETWORK = FRAME_LENGTH + WORD; // address of the network header
export const FRAME_PACKET_TYPE = FRAME_NETWORK + WORD; // PACKET_*
export const FRAME_MARK = FRAME_PACKET_TYPE + WORD;
export const FRAME_CT = FRAME_MARK + WORD; // conntrack entry, 0: none yet
export const FRAME_CT_INFO = FRAME_CT + WORD; // IP_CT_*
export const FRAME_FLAGS = FRAME_CT_INFO + WORD; // FRAME_IS_*
export const FRAME_PHYS_IN = FRAME_FLAGS + WORD; // bridge port it came in by (nf_bridge->physindev)
export const FRAME_PHYS_OUT = FRAME_PHYS_IN + WORD;
export const FRAME_ID_LOW = FRAME_PHYS_OUT + WORD; // packet id: the same on every interface that one packet passes
export const FRAME_ID_HIGH = FRAME_ID_LOW + WORD;
export const FRAME_LINE = FRAME_ID_HIGH + WORD; // traffic line + 1, 0: none
export const FRAME_ORIGIN = FRAME_LINE + WORD; // id of the namespace that made it
export const FRAME_NAMESPACE = FRAME_ORIGIN + WORD; // local output: who sends
export const FRAME_NEXT_HOP = FRAME_NAMESPACE + WORD; // address to resolve, once routed
export const FRAME_ROUTE_TYPE = FRAME_NEXT_HOP + WORD; // ROUTE_*, once routed
export const FRAME_SUMMED = FRAME_ROUTE_TYPE + WORD; // 1: made by this kernel, all checksums are right (skb->ip_summed)
export const FRAME_TIME = 96; // u64: when it was last queued
export const FRAME_INPUT = 108; // the device that it came by (skb->skb_iif)
export const FRAME_FRAGMENT_MAX = FRAME_INPUT + WORD; // put together: the size of the largest fragment, 0: it never was fragmented
export const FRAME_FRAGMENT_DF = FRAME_FRAGMENT_MAX + WORD; // 1: that fragment had DF, and fragments have it again
export const FRAME_IS_LARGE = FRAME_FRAGMENT_DF + WORD; // 1: a frame of FRAME_LARGE_BYTES
export const FRAME_MTU = FRAME_IS_LARGE + WORD; // of the way out, once routed
export const FRAME_HEADER = 128;
export const FRAME_HEADROOM = 128;
export const FRAME_BYTES = 2048;
export const FRAME_CAPACITY = FRAME_BYTES - FRAME_HEADER - FRAME_HEADROOM;

// A large frame holds any packet; its last FRAME_PIECES bytes say of what fragments it was made: their number, then the sizes of
// their data.
export const FRAME_PIECES_MAX = 1024;
export const FRAME_PIECES = FRAME_PIECES_MAX * WORD;
export const FRAME_LARGE_BYTES = FRAME_HEADER + FRAME_HEADROOM + 65536 + 64 + FRAME_PIECES;

export const STAGE_RECEIVE = 0; // a device received it
export const STAGE_OUTPUT = 1; // a socket of a namespace sends it; NETWORK is the IP header

// skb->pkt_type (include/uapi/linux/if_packet.h).
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;

export const FRAME_IS_PREROUTED = 1; // the bridge has already called PREROUTING (ip_sabotage_in)
export const FRAME_IS_BRIDGED_DNAT = 2;
export const FRAME_IS_UNTRACKED = 4; // -j CT --notrack
export const FRAME_IS_FORWARDED = 8;
export const FRAME_IS_TAGGED = 32; // came by a device with a VLAN tag, which does not count against an MTU any more
export const FRAME_HAS_OPTIONS = 64; // this host has read its IP options (IPCB(skb)->opt)
export const FRAME_IS_NF_BRIDGE = 16; // came through a bridge with bridge-nf-call-iptables on
export const FRAME_IS_IPVS = 2048; // ip_vs has sent it on (skb->ipvs_property)
export const FRAME_IS_ECHO = 1024; // an answer to an echo request, by the host itself
// -j CT, until the packet's connection is looked for: that it spoke, in which directions its zone counts, and the zone, which may
// be the mark that the packet has by then.
export const FRAME_HAS_ZONE = 64;
export const FRAME_ZONE_ORIGINAL = 128;
export const FRAME_ZONE_REPLY = 256;
export const FRAME_ZONE_OF_MARK = 512;
export const FRAME_ZONE_SHIFT = 16;
export const FRAME_ZONE_BITS = 0xffff03c0;
