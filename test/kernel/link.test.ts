// Devices and bridges: loopback, veth pairs, learning, flooding, ageing and hairpins.
import { describe, expect, test } from "vitest";
import { arp, ethernet, ipv4 } from "./craft.ts";
import { BUILDS, Lab, type Build } from "./lab.ts";
import { flow, type MachineWords } from "./network.ts";

const A = "02:aa:00:00:00:01";
const B = "02:aa:00:00:00:02";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

/** A bridge with three ports whose other ends take everything and answer nothing. */
const SWITCH: MachineWords = {
  namespaces: { s: {}, h: {} },
  bridges: { "s/br0": "p1 p2 p3" },
  veths: ["s/p1 h/e1", "s/p2 h/e2", "s/p3 h/e3"],
};

/** Sends a frame into a port and says which ports it left by, in order. */
function through(lab: Lab, port: string, to: string, from: string, seconds: number): string[] {
  const before = lab.seen().length;
  lab.inject(`s/${port}`, ethernet(to, from, 0x88b5, new Uint8Array(46)), seconds);
  lab.run(seconds + 0.001);
  return lab
    .seen()
    .slice(before)
    .filter(({ direction, device }) => direction === "outbound" && device.startsWith("s/"))
    .map(({ device }) => device.slice(2));
}

function hairpin(build: Build): Lab {
  return new Lab(build, { ...SWITCH, bridges: { "s/br0": "p1+hairpin p2 p3" } });
}

describe.each(BUILDS)("in the %s build", (build) => {
  test("a namespace pings itself over loopback, and no other device sees it", () => {
    const lab = new Lab(
      build,
      { namespaces: { a: { addresses: { eth0: "10.0.0.1/24" } }, b: {} }, veths: ["a/eth0 b/eth0"] },
      { flows: [flow("a", "icmp", "10.0.0.1"), flow("a", "icmp", "127.0.0.1", { line: 1 })] },
    );
    lab.run(1);
    expect(lab.lines()).toEqual([
      "a/lo: 10.0.0.1 > 10.0.0.1 icmp 8/0 32",
      "a/lo: 10.0.0.1 > 10.0.0.1 icmp 0/0 32",
      "a/lo: 127.0.0.1 > 127.0.0.1 icmp 8/0 32",
      "a/lo: 127.0.0.1 > 127.0.0.1 icmp 0/0 32",
    ]);
    expect([lab.outcome(0), lab.outcome(1)]).toEqual([
      { sent: 1, delivered: 1 },
      { sent: 1, delivered: 1 },
    ]);
    expect(lab.live).toBe(0);
  });

  test("what one end of a veth pair sends the other receives, as the same packet at the same moment", () => {
    const lab = new Lab(
      build,
      {
        namespaces: { a: { addresses: { eth0: "10.0.0.1/24" } }, b: { addresses: { eth0: "10.0.0.2/24" } } },
        veths: ["a/eth0 b/eth0"],
      },
      { flows: [flow("a", "icmp", "10.0.0.2", { startNs: 5e6, stopNs: 6e6 })] },
    );
    lab.run(1);
    const [sent, received] = lab.seen().filter(({ frame }) => frame.icmp?.type === 8);
    expect(sent).toMatchObject({ device: "a/eth0", ns: 5e6, direction: "outbound" });
    expect(received).toMatchObject({ device: "b/eth0", ns: 5e6, direction: "inbound", id: sent?.id });
    expect(received?.bytes).toEqual(sent?.bytes);
  });

  test("a bridge floods what it does not know and forwards what it has learned", () => {
    const lab = new Lab(build, SWITCH);
    expect(through(lab, "p1", B, A, 0)).toEqual(["p3", "p2"]);
    expect(through(lab, "p2", A, B, 1)).toEqual(["p1"]);
    expect(through(lab, "p1", B, A, 2)).toEqual(["p2"]);
    expect(lab.live).toBe(0);
  });

  test("an address that shows up behind another port has moved there", () => {
    const lab = new Lab(build, SWITCH);
    through(lab, "p2", BROADCAST, B, 0);
    expect(through(lab, "p1", B, A, 1)).toEqual(["p2"]);
    through(lab, "p3", BROADCAST, B, 2);
    expect(through(lab, "p1", B, A, 3)).toEqual(["p3"]);
  });

  test("an address not seen for 300 s is forgotten, and one that speaks is kept", () => {
    const lab = new Lab(build, SWITCH);
    through(lab, "p2", BROADCAST, B, 0);
    expect(through(lab, "p1", B, A, 299.9)).toEqual(["p2"]);
    expect(through(lab, "p1", B, A, 300)).toEqual(["p3", "p2"]);
    through(lab, "p2", BROADCAST, B, 400);
    expect(through(lab, "p1", B, A, 699.9)).toEqual(["p2"]);
  });

  test("broadcast and multicast leave by every other port and reach the bridge itself", () => {
    const lab = new Lab(build, SWITCH);
    expect(through(lab, "p1", BROADCAST, A, 0)).toEqual(["p3", "p2"]);
    expect(through(lab, "p1", "01:00:5e:00:00:01", A, 1)).toEqual(["p3", "p2"]);
    expect(lab.lines("s/br0")).toHaveLength(2);
  });

  test("a frame does not leave by the port that it came in by", () => {
    const lab = new Lab(build, SWITCH);
    through(lab, "p1", BROADCAST, B, 0);
    expect(through(lab, "p1", B, A, 1)).toEqual([]);
    expect(lab.drops("s")).toMatchObject({ BRIDGE_NO_EGRESS_PORT: 1 });
  });

  test("unless the port is in hairpin mode", () => {
    const lab = hairpin(build);
    through(lab, "p1", BROADCAST, B, 0);
    expect(through(lab, "p1", B, A, 1)).toEqual(["p1"]);
    expect(through(lab, "p1", BROADCAST, A, 2)).toEqual(["p3", "p2", "p1"]);
    expect(through(lab, "p2", BROADCAST, A, 3)).toEqual(["p3", "p1"]);
  });

  test("reserved addresses are not forwarded, except the spanning tree's, and teach where their sender is", () => {
    const lab = new Lab(build, SWITCH);
    expect(through(lab, "p1", "01:80:c2:00:00:0e", A, 0)).toEqual([]);
    expect(through(lab, "p1", "01:80:c2:00:00:01", A, 1)).toEqual([]);
    expect(through(lab, "p2", A, B, 2)).toEqual(["p1"]);
    expect(through(lab, "p1", "01:80:c2:00:00:00", A, 3)).toEqual(["p3", "p2"]);
  });

  test("a multicast or zero source address is dropped and not learned", () => {
    const lab = new Lab(build, SWITCH);
    expect(through(lab, "p1", BROADCAST, "01:00:5e:00:00:01", 0)).toEqual([]);
    expect(through(lab, "p1", BROADCAST, "00:00:00:00:00:00", 1)).toEqual([]);
    expect(lab.drops("s")).toEqual({ MAC_INVALID_SOURCE: 2 });
  });

  test("a frame longer than the port's MTU with a VLAN tag is not forwarded", () => {
    const lab = new Lab(build, SWITCH);
    const frame = (bytes: number) => ethernet(B, A, 0x88b5, new Uint8Array(bytes));
    lab.inject("s/p1", frame(1504), 0);
    lab.inject("s/p1", frame(1505), 1);
    lab.run(2);
    const sent = lab.seen("s/p2", "s/p3").map(({ bytes }) => bytes.length);
    expect(sent).toEqual([1518, 1518]);
    expect(lab.drops("s")).toMatchObject({ PKT_TOO_BIG: 2 });
  });

  test("the bridge's own address behind a port answers ARP and echo requests", () => {
    const lab = new Lab(
      build,
      {
        ...SWITCH,
        namespaces: { s: { addresses: { br0: "10.0.0.254/24" } }, h: { addresses: { e2: "10.0.0.2/24" } } },
      },
      { flows: [flow("h", "icmp", "10.0.0.254")] },
    );
    lab.run(1);
    expect(lab.lines("h/e2", "s/br0", "h/e1")).toEqual([
      "h/e2: arp who-has 10.0.0.254 tell 10.0.0.2",
      "s/br0: arp who-has 10.0.0.254 tell 10.0.0.2",
      `s/br0: arp 10.0.0.254 is-at ${lab.mac("s/br0")}`,
      "h/e1: arp who-has 10.0.0.254 tell 10.0.0.2",
      `h/e2: arp 10.0.0.254 is-at ${lab.mac("s/br0")}`,
      "h/e2: 10.0.0.2 > 10.0.0.254 icmp 8/0 32",
      "s/br0: 10.0.0.2 > 10.0.0.254 icmp 8/0 32",
      "s/br0: 10.0.0.254 > 10.0.0.2 icmp 0/0 32",
      "h/e2: 10.0.0.254 > 10.0.0.2 icmp 0/0 32",
    ]);
  });

  test("a device that is down receives and sends nothing, and its bridge forgets what was behind it", () => {
    const lab = new Lab(build, SWITCH);
    through(lab, "p2", BROADCAST, B, 0);
    lab.kernel.calls.setLink(lab.device("s/p2"), 0);
    expect(through(lab, "p1", B, A, 1)).toEqual(["p3"]);
    expect(through(lab, "p2", BROADCAST, B, 2)).toEqual([]);
    lab.kernel.calls.setLink(lab.device("s/p2"), 1);
    expect(through(lab, "p1", B, A, 3)).toEqual(["p3", "p2"]);
    expect(lab.drops("s")).toMatchObject({ DEV_READY: 1 });
  });

  test("a link that was down keeps the addresses that are the host's own", () => {
    const lab = new Lab(build, SWITCH);
    lab.kernel.calls.setLink(lab.device("s/p2"), 0);
    lab.kernel.calls.setLink(lab.device("s/p2"), 1);
    expect(through(lab, "p1", lab.mac("s/p2"), A, 1)).toEqual([]);
    expect(lab.lines("s/br0")).toHaveLength(1);
  });

  test("frames of an unknown type, too short for Ethernet or ARP of another kind are dropped with a reason", () => {
    const lab = new Lab(build, { namespaces: { a: {}, b: {} }, veths: ["a/eth0 b/eth0"] });
    lab.inject("a/eth0", ethernet(lab.mac("a/eth0"), A, 0x86dd, new Uint8Array(40)), 0);
    lab.inject(
      "a/eth0",
      ethernet(BROADCAST, A, 0x0806, arp("request", A, "10.0.0.9", B, "10.0.0.1").subarray(0, 20)),
      0,
    );
    lab.inject("a/eth0", ethernet(B, A, 0x0800, ipv4({ from: "10.0.0.9", to: "10.0.0.1" }, 253, new Uint8Array())), 0);
    lab.inject("a/eth0", new Uint8Array(13), 0);
    lab.run(1);
    expect(lab.drops("a")).toEqual({ IPV6DISABLED: 1, ARP_IGNORED: 1, OTHERHOST: 1, DEV_HDR: 1 });
    expect(lab.live).toBe(0);
  });
});
