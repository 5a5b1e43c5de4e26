// The frame decoder on frames written by hand.
import { describe, expect, test } from "vitest";
import { decodeFrame } from "./frame.ts";
import * as frames from "./frames.ts";
import { summary } from "./summary.ts";

describe("the frame decoder", () => {
  test.each([
    ["arp who-has 10.244.1.3 tell 10.244.1.2", frames.arpRequest],
    ["arp 10.244.1.3 is-at 0a:58:0a:f4:01:03", frames.arpReply],
    ["10.244.1.2:40000 > 10.244.1.3:80 tcp S", frames.syn],
    ["10.244.1.3:80 > 10.244.1.2:40000 tcp S.", frames.synAck],
    ["10.244.1.2:40000 > 10.244.1.3:80 tcp .", frames.ack],
    ["10.244.1.2:40000 > 10.244.1.3:80 tcp P. 5", frames.data],
    ["10.244.1.2:33000 > 10.244.1.3:53 dns A? web.shop.svc.cluster.local", frames.dnsQuery],
    [
      "10.244.1.3:53 > 10.244.1.2:33000 dns A? web.shop.svc.cluster.local = 0 CNAME www.shop.svc.cluster.local A 10.96.0.20",
      frames.dnsAnswer,
    ],
    ["10.244.1.2 > 10.244.1.3 icmp 8/0 8", frames.echo],
    ["10.244.1.3 > 10.244.1.2 icmp 3/3 (10.244.1.2:33001 > 10.244.1.3:9999 udp 2)", frames.unreachable],
  ])("says %s", (line, bytes) => {
    expect(summary(bytes)).toBe(line);
    expect(decodeFrame(bytes).badChecksums).toEqual([]);
  });

  test("gives every field of a TCP segment", () => {
    expect(decodeFrame(frames.syn)).toEqual({
      ethernet: { destination: "0a:58:0a:f4:01:03", source: "0a:58:0a:f4:01:02", type: 0x0800 },
      ipv4: {
        source: "10.244.1.2",
        destination: "10.244.1.3",
        protocol: 6,
        ttl: 64,
        tos: 0,
        id: 1,
        dontFragment: true,
        moreFragments: false,
        fragmentOffset: 0,
        headerLength: 20,
        totalLength: 60,
      },
      tcp: {
        sourcePort: 40000,
        destinationPort: 80,
        sequence: 1000,
        acknowledgement: 0,
        flags: "S",
        window: 64240,
        headerLength: 40,
        options: [
          { kind: 2, value: Uint8Array.of(0x05, 0xb4) },
          { kind: 4, value: new Uint8Array() },
          { kind: 8, value: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0) },
          { kind: 1, value: new Uint8Array() },
          { kind: 3, value: Uint8Array.of(7) },
        ],
      },
      payload: new Uint8Array(),
      badChecksums: [],
    });
  });

  test("reads DNS flags, compressed names and SRV records", () => {
    expect(decodeFrame(frames.dnsAnswer).dns).toEqual({
      id: 7,
      response: true,
      authoritative: true,
      truncated: false,
      recursionDesired: true,
      recursionAvailable: true,
      rcode: 0,
      questions: [{ name: "web.shop.svc.cluster.local", type: "A" }],
      answers: [
        { name: "web.shop.svc.cluster.local", type: "CNAME", ttl: 30, value: "www.shop.svc.cluster.local" },
        { name: "www.shop.svc.cluster.local", type: "A", ttl: 30, value: "10.96.0.20" },
      ],
      authorities: [],
      additional: [{ name: "_http._tcp.web.shop", type: "SRV", ttl: 30, value: "0 50 8080 a.b" }],
    });
  });

  test.each([
    ["the TTL", frames.data, 22, ["ip"]],
    ["the TCP payload", frames.data, 54, ["tcp"]],
    ["the source address, which the TCP checksum covers too", frames.data, 26, ["ip", "tcp"]],
    ["the UDP payload", frames.dnsQuery, 60, ["udp"]],
    ["the ICMP sequence number", frames.echo, 40, ["icmp"]],
    ["the TTL in a quoted header", frames.unreachable, 50, ["icmp", "quoted ip"]],
    ["the payload of a quoted datagram", frames.unreachable, 71, ["icmp", "quoted udp"]],
  ])("finds the wrong checksum if %s changes", (_, bytes, at, expected) => {
    const changed = bytes.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(decodeFrame(changed).badChecksums).toEqual(expected);
  });

  test("leaves Ethernet padding out of the payload", () => {
    const padded = new Uint8Array(64);
    padded.set(frames.data);
    expect(decodeFrame(padded).payload).toEqual(new TextEncoder().encode("hello"));
    expect(decodeFrame(padded).badChecksums).toEqual([]);
  });

  test("refuses a packet that is shorter than its total length", () => {
    expect(() => decodeFrame(frames.data.subarray(0, -1))).toThrow("the packet is shorter than its total length");
  });
});
