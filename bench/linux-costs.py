#!/usr/bin/env python3
"""What a packet's way through the live kernel costs, part by part: the defaults of a scenario's `cluster.cpu.costs`.

Prints one JSON object, in nanoseconds. Must run as root in a network namespace of its own (unshare -n).

    source --veth-- router 1 --veth-- ... router N --veth-- sink

A packet socket of the source sends UDP datagrams. The whole way is walked within the send call, so its time is that of the way. What a
part costs is how much longer the way takes with more of it: routers, bytes, rules, tracking, new connections, translation. Of
many short goes the fastest counts: one that nothing came between.
"""
import json
import os
import socket
import struct
import sys
import time

from linux_namespaces import end_all, enter, hold, run

PACKETS, GOES = 200, 60


def mac(link, end):
    return "02:00:00:00:%02x:%02x" % (link, end)


class Chain:
    """A source, so many routers and a sink in a row; link i joins the i-th namespace to the next, as 10.0.i.0/24."""

    def __init__(self, routers):
        self.names = [hold() for _ in range(routers + 2)]
        last = routers
        for i, (a, b) in enumerate(zip(self.names, self.names[1:])):
            run(a, "ip", "link", "add", "out", "address", mac(i, 1), "type", "veth", "peer", "name", "in", "address", mac(i, 2), "netns", str(b))
            for pid, name, end in ((a, "out", 1), (b, "in", 2)):
                run(pid, "ip", "address", "add", f"10.0.{i}.{end}/24", "dev", name)
                run(pid, "ip", "link", "set", name, "up")
                run(pid, "ip", "neigh", "add", f"10.0.{i}.{3 - end}", "lladdr", mac(i, 3 - end), "dev", name)
        for i, pid in enumerate(self.names[1:-1], 1):
            run(pid, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.in.rp_filter=0")
            if i < last:
                run(pid, "ip", "route", "add", f"10.0.{last}.0/24", "via", f"10.0.{i}.2")
            run(pid, "ip", "route", "add", "172.16.0.0/16", "via", f"10.0.{i}.2")
        run(self.names[-1], "ip", "address", "add", "172.16.0.1/32", "dev", "lo")
        self.target = f"10.0.{last}.2"
        enter(self.names[-1])
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("0.0.0.0", 9))
        self.sink.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self.sink.setblocking(False)
        enter(self.names[0])
        self.out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.out.bind(("out", 0))
        self.next = 0

    def frame(self, number, size, target):
        """A datagram from an address and port of its own for each number."""
        payload = size - 42
        source = bytes([10, 1, number >> 16 & 255, 2])
        ip = bytearray(b"\x45\x00" + struct.pack("!HHHBBH", 28 + payload, 0, 0, 64, 17, 0) + source + socket.inet_aton(target))
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        total = (total & 0xFFFF) + (total >> 16)
        ip[10:12] = struct.pack("!H", total ^ 0xFFFF)
        udp = struct.pack("!HHHH", number & 0xFFFF, 9, 8 + payload, 0)
        head = bytes.fromhex(mac(0, 2).replace(":", "") + mac(0, 1).replace(":", "") + "0800")
        return head + bytes(ip) + udp + bytes(payload)

    def cost(self, new=False, size=60, target=None, port=None):
        """Nanoseconds of the whole way. `new`: every packet is the first one of its connection."""
        target = target or self.target
        best = float("inf")
        for _ in range(GOES):
            if new:
                made = [self.frame(0x10000 + self.next + i, size, target) for i in range(PACKETS)]
                self.next += PACKETS
            else:
                made = [self.frame(1024 + i % 16, size, target) for i in range(PACKETS)]
            send = self.out.send
            began = time.perf_counter_ns()
            for frame in made:
                send(frame)
            best = min(best, (time.perf_counter_ns() - began) / PACKETS)
            got = 0
            try:
                while True:
                    self.sink.recv(2048)
                    got += 1
            except BlockingIOError:
                pass
            if got < PACKETS * 0.9:
                raise RuntimeError(f"{got} of {PACKETS} packets arrived")
        return best

    def rules(self, text, restore="iptables-legacy-restore"):
        for pid in self.names[1:-1]:
            run(pid, restore, text=text)

    def close(self):
        self.sink.close()
        self.out.close()


# Tracking is on as soon as a rule needs it.
TRACK = "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n-A PREROUTING -d 10.99.0.1/32 -j DNAT --to-destination 10.99.0.2\nCOMMIT\n"


def filter_rules(count):
    lines = "".join(f"-A FORWARD -d 10.99.{i >> 8}.{i & 255}/32 -p udp -m udp --dport 80 -j DROP\n" for i in range(count))
    return f"*filter\n:FORWARD ACCEPT\n{lines}COMMIT\n"


def measure():
    figures = {}
    one, four = Chain(1), Chain(4)
    bare1, bare4 = one.cost(), four.cost()
    figures["router"] = (bare4 - bare1) / 3
    figures["way over one router"] = bare1
    big = four.cost(size=1460)
    figures["byte, of a way with 5 veth pairs"] = (big - bare4) / 1400
    # rules
    four.rules(filter_rules(0))
    empty = four.cost()
    figures["filter table without rules"] = (empty - bare4) / 4
    for count in (100, 1000, 4000):
        four.rules(filter_rules(count))
        figures[f"rule, of {count}"] = (four.cost() - empty) / (4 * count)
    four.rules("*filter\nCOMMIT\n")
    four.rules(filter_rules(0), "iptables-nft-restore")
    empty = four.cost()
    for count in (100, 1000, 4000):
        four.rules(filter_rules(count), "iptables-nft-restore")
        figures[f"rule of iptables-nft, of {count}"] = (four.cost() - empty) / (4 * count)
    # tracking
    fresh = Chain(4)
    plain = fresh.cost()
    plain_new = fresh.cost(new=True)
    fresh.rules(TRACK)
    tracked = fresh.cost()
    figures["nat table and tracking, of a known connection"] = (tracked - plain) / 4
    tracked_new = fresh.cost(new=True)
    figures["new connection more than known"] = (tracked_new - tracked - (plain_new - plain)) / 4
    # Each router translates to an address that the next one translates, the last to the sink's.
    rules = "*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n-A PREROUTING -d %s -j DNAT --to-destination %s\nCOMMIT\n"
    hops = [f"172.16.{i}.1" for i in range(1, 5)] + [fresh.target]
    for pid, to, then in zip(fresh.names[1:-1], hops, hops[1:]):
        run(pid, "iptables-legacy-restore", text=rules % (to, then))
    figures["translated packet more than known"] = (fresh.cost(target=hops[0]) - tracked) / 4
    figures["first packet translated more than new"] = (fresh.cost(new=True, target=hops[0]) - tracked_new) / 4
    # Sockets: what a datagram takes from one to another over a veth pair, without that pair, and reading it.
    pair = Chain(0)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect((pair.target, 9))
    null = os.open("/dev/null", os.O_RDWR)

    def best_of(call):
        least = float("inf")
        for _ in range(GOES):
            began = time.perf_counter_ns()
            for _ in range(PACKETS):
                call()
            least = min(least, (time.perf_counter_ns() - began) / PACKETS)
            drain()
        return least

    def drain():
        try:
            while True:
                pair.sink.recv(2048)
        except BlockingIOError:
            pass

    data, sender, reader = bytes(18), out.fileno(), pair.sink.fileno()
    call = best_of(lambda: os.write(null, data))
    figures["socket to socket"] = best_of(lambda: os.write(sender, data)) - call - figures["router"]
    read = float("inf")
    for _ in range(GOES):
        for _ in range(PACKETS):
            os.write(sender, data)
        began = time.perf_counter_ns()
        for _ in range(PACKETS):
            os.read(reader, 64)
        read = min(read, (time.perf_counter_ns() - began) / PACKETS)
    figures["reading a datagram"] = read - call
    figures["a call, taken off both"] = call
    return {name: round(value, 2) for name, value in figures.items()}


def main():
    try:
        print(json.dumps(measure(), indent=1))
    finally:
        end_all()


main()
