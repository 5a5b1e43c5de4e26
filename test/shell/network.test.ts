// `ip` and `bridge` in the shell: links, addresses, routes, neighbours and forwarding databases in the columns of iproute2.
import { beforeAll, describe, expect, test } from "vitest";
import { shellOn, type Shell } from "./shell.ts";

let shell: Shell;
beforeAll(() => void (shell = shellOn("walks/02-same-node")));

describe("ip", () => {
  test("shows addresses with the flags and the state of their links", async () => {
    expect(await shell.out("client ip addr")).toMatchInlineSnapshot(`
      "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
          link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
          inet 127.0.0.1/8 scope host lo
             valid_lft forever preferred_lft forever
      2: eth0@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
          link/ether 0a:58:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
          inet 10.244.1.2/24 brd 10.244.1.255 scope global eth0
             valid_lft forever preferred_lft forever
      "
    `);
  });

  test("shows one device, briefly too, and links with what they are ports of", async () => {
    expect(await shell.out("client ip addr show dev eth0")).toBe(await shell.out("client ip a s eth0"));
    expect(await shell.out("node-1 ip -br addr; node-1 ip -br link")).toMatchInlineSnapshot(`
      "lo               UNKNOWN        127.0.0.1/8 
      eth0             UP             192.168.0.11/24 
      vbr0             UP             10.244.1.1/24 
      veth6844d090@if2 UP             
      veth3a09ea7f@if2 UP             
      veth72b86496@if2 UP             
      lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> 
      eth0             UP             02:00:c0:a8:00:0b <BROADCAST,MULTICAST,UP,LOWER_UP> 
      vbr0             UP             0a:58:0a:f4:01:01 <BROADCAST,MULTICAST,UP,LOWER_UP> 
      veth6844d090@if2 UP             02:01:0a:f4:01:02 <BROADCAST,MULTICAST,UP,LOWER_UP> 
      veth3a09ea7f@if2 UP             02:01:0a:f4:01:03 <BROADCAST,MULTICAST,UP,LOWER_UP> 
      veth72b86496@if2 UP             02:01:0a:f4:01:04 <BROADCAST,MULTICAST,UP,LOWER_UP> 
      "
    `);
    expect(await shell.out("node-1 ip link")).toMatchInlineSnapshot(`
      "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
          link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
      2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP mode DEFAULT group default qlen 1000
          link/ether 02:00:c0:a8:00:0b brd ff:ff:ff:ff:ff:ff
      3: vbr0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default qlen 1000
          link/ether 0a:58:0a:f4:01:01 brd ff:ff:ff:ff:ff:ff
      4: veth6844d090@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master vbr0 state UP mode DEFAULT group default qlen 1000
          link/ether 02:01:0a:f4:01:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
      5: veth3a09ea7f@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master vbr0 state UP mode DEFAULT group default qlen 1000
          link/ether 02:01:0a:f4:01:03 brd ff:ff:ff:ff:ff:ff link-netnsid 1
      6: veth72b86496@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master vbr0 state UP mode DEFAULT group default qlen 1000
          link/ether 02:01:0a:f4:01:04 brd ff:ff:ff:ff:ff:ff link-netnsid 2
      "
    `);
  });

  test("shows routes, local ones too, and the way to an address", async () => {
    expect(await shell.out("node-1 ip r")).toMatchInlineSnapshot(`
      "default via 192.168.0.1 dev eth0 
      10.244.1.0/24 dev vbr0 proto kernel scope link src 10.244.1.1 
      10.244.2.0/24 via 192.168.0.12 dev eth0 
      192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11 
      "
    `);
    expect(await shell.out("client ip route show table local")).toMatchInlineSnapshot(`
      "local 10.244.1.2 dev eth0 proto kernel scope host src 10.244.1.2 
      broadcast 10.244.1.255 dev eth0 proto kernel scope link src 10.244.1.2 
      local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 
      local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 
      "
    `);
    expect(await shell.out("client ip route get 10.96.0.10; client ip r g 10.244.1.2; client ip r get 10.244.1.3"))
      .toMatchInlineSnapshot(`
      "10.96.0.10 via 10.244.1.1 dev eth0 src 10.244.1.2 uid 0 
          cache 
      local 10.244.1.2 dev lo src 10.244.1.2 uid 0 
          cache <local> 
      10.244.1.3 dev eth0 src 10.244.1.2 uid 0 
          cache 
      "
    `);
    expect(await shell.out("client ip rule")).toBe(
      "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n",
    );
  });

  test("shows neighbours once somebody has asked for them, and what became of those that do not answer", async () => {
    await shell.run("client ping -c 1 10.244.1.3; client ping -c 1 10.244.1.99");
    expect(await shell.out("client ip neigh; server ip n")).toMatchInlineSnapshot(`
      "10.244.1.3 dev eth0 lladdr 0a:58:0a:f4:01:03 REACHABLE 
      10.244.1.99 dev eth0 FAILED 
      10.244.1.2 dev eth0 lladdr 0a:58:0a:f4:01:02 DELAY 
      "
    `);
  });

  test("shows with -s what the devices counted", async () => {
    expect((await shell.out("client ip -s link show dev eth0")).split("\n").slice(2)).toMatchInlineSnapshot(`
      [
        "    RX:  bytes packets errors dropped  missed   mcast           ",
        "             -       6      0       0       0       0 ",
        "    TX:  bytes packets errors dropped carrier collsns           ",
        "             -       5      0       0       0       0 ",
        "",
      ]
    `);
  });

  test.each([
    ["client ip -z", "ip: option -z is not emulated\n", 2],
    [
      "client ip tunnel",
      'ip: object "tunnel" is not emulated; there are address, addr, link, neighbour, neighbor, neigh, netns, route, rule\n',
      2,
    ],
    ["client ip link add x", "ip: link add is not emulated here; a scenario says what a cluster has\n", 2],
    ["client ip addr show dev eth9", 'Device "eth9" does not exist.\n', 1],
    ["internet ip route get 240.0.0.1", "RTNETLINK answers: Network is unreachable\n", 2],
  ])("%s fails as the real one does, or names what is not there", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });
});

describe("bridge", () => {
  test("shows ports, and the addresses that the bridge has learned", async () => {
    await shell.run("client ping -c 1 10.244.1.3");
    expect(await shell.out("node-1 bridge link; node-1 bridge fdb show br vbr0")).toMatchInlineSnapshot(`
      "4: veth6844d090@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master vbr0 state forwarding priority 32 cost 2 
      5: veth3a09ea7f@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master vbr0 state forwarding priority 32 cost 2 
      6: veth72b86496@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 master vbr0 state forwarding priority 32 cost 2 
      0a:58:0a:f4:01:01 dev vbr0 master vbr0 permanent
      0a:58:0a:f4:01:02 dev veth6844d090 master vbr0 
      02:01:0a:f4:01:02 dev veth6844d090 master vbr0 permanent
      0a:58:0a:f4:01:03 dev veth3a09ea7f master vbr0 
      02:01:0a:f4:01:03 dev veth3a09ea7f master vbr0 permanent
      02:01:0a:f4:01:04 dev veth72b86496 master vbr0 permanent
      "
    `);
  });
});
