"""IPv6 for kernel-oracle and make-cases6: headers found in frames, packets put together, neighbour discovery.

RFC 8200 (IPv6 and its extension headers), RFC 4443 (ICMPv6), RFC 4861 (neighbour discovery).
"""

import socket
import struct

ICMP6, TCP, UDP = 58, 6, 17
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION, NO_NEXT = 0, 43, 44, 60, 59
ECHO_REQUEST, ECHO_REPLY, SOLICITATION, ADVERTISEMENT = 128, 129, 135, 136
# Queries, reports and leaves of multicast groups (RFC 2710, RFC 3810).
LISTENER_DISCOVERY = (130, 131, 132, 143)
NEXT = {SOLICITATION: "who-has", ADVERTISEMENT: "is-at", 133: "router-solicitation", 134: "router-advertisement", 137: "redirect"}


def checksum(data, start=0):
    if len(data) & 1:
        data = bytes(data) + b"\0"
    total = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pseudo_sum(src, dst, proto, length):
    return sum(struct.unpack("!20H", src + dst + struct.pack("!II", length, proto)))


def aton(text):
    return socket.inet_pton(socket.AF_INET6, text)


def text_of(raw):
    return socket.inet_ntop(socket.AF_INET6, bytes(raw))


def raw_mac(mac):
    return bytes.fromhex(mac.replace(":", ""))


def link_local(mac):
    """The address that an interface gives itself (RFC 4291 appendix A)."""
    raw = raw_mac(mac)
    return text_of(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2]) + raw[1:3] + b"\xff\xfe" + raw[3:])


def solicited_node(address):
    """The group in which the owner of an address is asked for, and the MAC address of a group."""
    return text_of(aton("ff02::1:ff00:0")[:13] + aton(address)[13:])


def group_mac(address):
    return "33:33:" + aton(address)[12:].hex(":")


class Ip6:
    """An IPv6 header found at `off` in `buf`, and the transport header behind it and its extension headers."""

    version = 6

    def __init__(self, buf, off, end):
        self.buf, self.off, self.end = buf, off, end
        self.ok = end - off >= 40 and buf[off] >> 4 == 6
        if not self.ok:
            return
        first, length, self.proto, self.ttl = struct.unpack_from("!IHBB", buf, off)
        self.tos, self.flow, self.total = first >> 20 & 255, first & 0xFFFFF, 40 + length
        self.src, self.dst = bytes(buf[off + 8:off + 24]), bytes(buf[off + 24:off + 40])
        self.id, self.mf, self.frag, self.fragment, self.headers = 0, False, 0, None, []
        self.l4, self.l4end = off + 40, max(off + 40, min(off + self.total, end))
        while self.proto in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION) and self.l4end - self.l4 >= 8 and self.frag == 0:
            at = self.l4
            self.headers.append(self.proto)
            if self.proto == FRAGMENT:
                word, self.id = struct.unpack_from("!HI", buf, at + 2)
                self.frag, self.mf, self.fragment, self.l4 = word & 0xFFF8, bool(word & 1), at, at + 8
            else:
                self.l4 = min(at + 8 + buf[at + 1] * 8, self.l4end)
            self.proto = buf[at]
        self.whole = off + self.total <= end and not self.mf and self.frag == 0

    def has(self, size):
        return self.frag == 0 and self.l4end - self.l4 >= size

    def kind(self):
        if self.frag:
            return "frag"
        if self.proto == TCP and self.has(14):
            return "tcp%02x" % self.buf[self.l4 + 13]
        if self.proto == ICMP6 and self.has(1):
            return "icmp%d" % self.buf[self.l4]
        return "p%d" % self.proto

    def ports(self):
        return struct.unpack_from("!HH", self.buf, self.l4)

    def l4_valid(self):
        body = self.buf[self.l4:self.l4end]
        return checksum(body, pseudo_sum(self.src, self.dst, self.proto, len(body))) == 0

    def quoted(self):
        """The packet an ICMPv6 error quotes, or None."""
        if self.proto == ICMP6 and self.has(48) and self.buf[self.l4] < 128:
            inner = Ip6(self.buf, self.l4 + 8, self.l4end)
            return inner if inner.ok else None
        return None

    def listener_discovery(self):
        return self.proto == ICMP6 and self.has(1) and self.buf[self.l4] in LISTENER_DISCOVERY


def describe(ip, flags, quoted=False):
    """One line that says what a packet is; `flags` are TCP's letters."""
    src, dst = text_of(ip.src), text_of(ip.dst)
    notes = [f"hlim={ip.ttl}"]
    notes += [f"{name}={value}" for name, value in (("tclass", ip.tos), ("flow", ip.flow)) if value]
    notes += [f"headers={ip.headers}"] if ip.headers else []
    if ip.fragment is not None:
        notes.append(f"id={ip.id} frag={ip.frag}{'+' if ip.mf else ''}")
    notes.append(f"len={ip.total}")
    body, at, buf = ip.l4end - ip.l4, ip.l4, ip.buf
    text = f"{src}>{dst} proto={ip.proto}"
    if ip.frag == 0 and ip.proto == TCP and body >= 20:
        sport, dport, seq, ack, offset, bits, window = struct.unpack_from("!HHIIBBH", buf, at)
        names = "".join(n for i, n in enumerate(flags) if bits >> i & 1) or "none"
        text = f"TCP [{src}]:{sport}>[{dst}]:{dport} {names} seq={seq} ack={ack} win={window} off={offset >> 4}"
    elif ip.frag == 0 and ip.proto == UDP and body >= 8:
        sport, dport, length = struct.unpack_from("!HHH", buf, at)
        text = f"UDP [{src}]:{sport}>[{dst}]:{dport} ulen={length}"
    elif ip.frag == 0 and ip.proto == ICMP6 and body >= 8:
        kind, code, _, rest = struct.unpack_from("!BBHI", buf, at)
        text = f"ICMP6 {src}>{dst} type={kind} code={code}"
        if kind in (ECHO_REQUEST, ECHO_REPLY):
            text += f" id={rest >> 16} seq={rest & 0xFFFF}"
        elif kind == 2:
            text += f" mtu={rest}"
        elif kind == 4:
            text += f" pointer={rest}"
        elif kind in (SOLICITATION, ADVERTISEMENT) and body >= 24:
            letters = "".join(n for i, n in enumerate("RSO") if rest >> 31 - i & 1) if kind == ADVERTISEMENT else ""
            text = f"ND {src}>{dst} {NEXT[kind]} {text_of(buf[at + 8:at + 24])} {letters}"
            text += f" opt={bytes(buf[at + 24:ip.l4end]).hex()}"
        inner = ip.quoted()
        if inner:
            text += " [" + describe(inner, flags, True) + "]"
    if ip.whole and not quoted and ip.proto in (ICMP6, TCP, UDP) and body >= 8 and not ip.l4_valid():
        notes.append("BAD-L4SUM")
    return f"{text} {' '.join(notes)}"


def with_checksum(src, dst, proto, segment, at):
    value = checksum(segment[:at] + b"\0\0" + segment[at + 2:], pseudo_sum(src, dst, proto, len(segment)))
    if proto == UDP and value == 0:
        value = 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2:]


def build(src, dst, proto, payload, hops=64, tos=0, flow=0, length=None):
    """An IPv6 packet; src and dst are 16 bytes."""
    size = len(payload) if length is None else length
    return struct.pack("!IHBB", 6 << 28 | tos << 20 | flow, size, proto, hops) + src + dst + payload


def icmp6(src, dst, kind, code, rest=0, payload=b""):
    return with_checksum(src, dst, ICMP6, struct.pack("!BBHI", kind, code, 0, rest) + payload, 2)


def udp(src, dst, sport, dport, payload=b""):
    return with_checksum(src, dst, UDP, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload, 6)


def tcp(src, dst, sport, dport, bits, seq=0, ack=0, window=64240, payload=b"", options=b""):
    options += b"\1" * (-len(options) % 4)
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (5 + len(options) // 4) << 4, bits, window, 0, 0)
    return with_checksum(src, dst, TCP, head + options + payload, 16)


def fragment_header(proto, offset, more, ident):
    return struct.pack("!BBHI", proto, 0, offset | more, ident)


def options_header(proto, options):
    """A hop-by-hop or destination options header, padded to a multiple of eight bytes."""
    short = -(2 + len(options)) % 8
    pad = b"" if short == 0 else b"\0" if short == 1 else bytes([1, short - 2]) + bytes(short - 2)
    return bytes([proto, (2 + len(options) + short) // 8 - 1]) + options + pad


def link_layer(kind, mac):
    return bytes([kind, 1]) + raw_mac(mac)


def advertise(src, dst, target, mac, letters):
    bits = sum(1 << 31 - "RSO".index(letter) for letter in letters)
    return icmp6(src, dst, ADVERTISEMENT, 0, bits, target + (link_layer(2, mac) if mac else b""))


def reply(seen, ip, spec, flag_letters):
    """(protocol, body, src, dst, hops) of what answers a packet; see "reply" in README.md."""
    src, dst, hops = ip.dst, ip.src, spec.get("ttl", 64)
    if "src" in spec:
        src = aton(spec["src"])
    kind = seen[ip.l4] if ip.proto == ICMP6 and ip.has(8) else None
    if "na" in spec and kind == SOLICITATION and ip.has(24):
        target = bytes(seen[ip.l4 + 8:ip.l4 + 24])
        src = aton(spec["src"]) if "src" in spec else target
        if dst == bytes(16):
            dst = aton("ff02::1")
        body = advertise(src, dst, target, spec["na"], spec.get("na_flags", "SO"))
        return ICMP6, body, src, dst, spec.get("ttl", 255)
    payload = bytes.fromhex(spec.get("payload", ""))
    if "icmp_error" in spec:
        error = spec["icmp_error"]
        quote = bytes(seen[ip.off:min(ip.off + ip.total, ip.off + 40 + error.get("quote", 1192), ip.end)])
        return ICMP6, icmp6(src, dst, error["type"], error["code"], error.get("rest", 0), quote), src, dst, hops
    if ip.proto == TCP and ip.has(20):
        sport, dport, seq, ack, offset, bits = struct.unpack_from("!HHIIBB", seen, ip.l4)
        size = ip.l4end - ip.l4 - (offset >> 4) * 4 + (bits & 1) + (bits >> 1 & 1)
        want = spec.get("flags", "A")
        mine = spec["seq"] if "seq" in spec else ack if bits & 0x10 else 0
        body = tcp(src, dst, dport, sport, sum(1 << flag_letters.index(f) for f in want), mine + spec.get("seq_add", 0),
                   seq + size + spec.get("ack_add", 0) if "A" in want else 0,
                   spec.get("window", 64240), payload, bytes.fromhex(spec.get("options", "")))
        return TCP, body, src, dst, hops
    if ip.proto == UDP and ip.has(8):
        sport, dport = ip.ports()
        return UDP, udp(src, dst, dport, sport, payload), src, dst, hops
    if kind == ECHO_REQUEST:
        rest = struct.unpack_from("!I", seen, ip.l4 + 4)[0]
        return ICMP6, icmp6(src, dst, ECHO_REPLY, 0, rest, bytes(seen[ip.l4 + 8:ip.l4end])), src, dst, hops
    return ip.proto, bytes(seen[ip.l4:ip.l4end]), src, dst, hops
