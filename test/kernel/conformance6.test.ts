// Cases of IPv6 recorded on Linux, played in the emulator: the same frames, counters and connections, byte for byte. Cases that are
// not equal yet stand here by name, with what is missing.
import { playCases } from "./play-cases.ts";

/** Cases that the emulator plays otherwise than Linux, by why. */
const NOT_YET: Readonly<Record<string, string>> = {
  "bridge-nf-dnat":
    "the first bridged frame that was translated, and waited for its neighbour, leaves with its sender's MAC address",
  "ext-fragments-bad": "first fragments without all headers are not told of",
  "ext-fragments-timeout": "net.ipv6.ip6frag_time is not emulated yet",
  "forward-policy": "ip rules for IPv6 are not emulated yet",
  "forward-redirect": "redirects are not sent yet",
  "forward-scope": "redirects are not sent yet",
  "host-own": "packets to an address of one's own are not seen on lo yet",
  "nat-hairpin": "redirects are not sent yet",
};

playCases("kernel6", "IPv6 in ", NOT_YET);
