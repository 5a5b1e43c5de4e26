// IPv6 in the shell: addresses, routes, neighbours and connections in the words of the tools, names with AAAA records, URLs with
// addresses in brackets.
import { beforeAll, expect, test } from "vitest";
import { shellOn, type Shell } from "./shell.ts";

let shell: Shell;
beforeAll(() => void (shell = shellOn("dual-stack")));

test("curl takes an IPv6 address in brackets, and says it without where curl does", async () => {
  const { err, status } = await shell.run("default/web-0 curl -sv http://[fd00:10:244:1::2]:8080/");
  expect([status, err.split("\n").slice(0, 4)]).toEqual([
    0,
    [
      "*   Trying [fd00:10:244:1::2]:8080...",
      "* Connected to fd00:10:244:1::2 (fd00:10:244:1::2) port 8080 (#0)",
      "> GET / HTTP/1.1",
      "> Host: [fd00:10:244:1::2]:8080",
    ],
  ]);
});

test("curl -6 and -4 ask for addresses of one family alone", async () => {
  const format = "-s -o /dev/null -w '%{remote_ip} %{local_ip}'";
  expect(await shell.out(`default/web-0 curl -6 ${format} http://api`)).toBe("fd00:10:96::d fd00:10:244:1::2");
  expect(await shell.out(`default/web-0 curl ${format} http://api`)).toBe("fd00:10:96::d fd00:10:244:1::2");
  const { err, status } = await shell.run("default/web-0 curl -4 -sS http://api");
  expect([err, status]).toEqual(["curl: (6) Could not resolve host: api\n", 6]);
});

test("dig and nslookup print AAAA records as addresses, and ask in ip6.arpa for the name of one", async () => {
  expect(await shell.out("default/web-0 dig +short AAAA api.default.svc.cluster.local")).toBe("fd00:10:96::d\n");
  expect(await shell.out("default/web-0 dig +short -x fd00:10:96::c")).toBe("web.default.svc.cluster.local.\n");
  expect(await shell.out("default/web-0 nslookup fd00:10:96::c")).toContain(
    "c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa\tname = web.default.svc.cluster.local.\n",
  );
});

test("ip shows addresses of both families, with -6 those of one, as iproute2 does", async () => {
  const both = await shell.out("default/web-0 ip -br addr");
  expect(both).toBe(
    "lo               UNKNOWN        127.0.0.1/8 ::1/128 \n" +
      "eth0@if4         UP             10.244.1.2/24 fd00:10:244:1::2/64 fe80::858:aff:fef4:102/64 \n",
  );
  expect(await shell.out("default/web-0 ip -6 addr show eth0")).toBe(
    "2: eth0@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP qlen 1000\n" +
      "    inet6 fd00:10:244:1::2/64 scope global \n       valid_lft forever preferred_lft forever\n" +
      "    inet6 fe80::858:aff:fef4:102/64 scope link \n       valid_lft forever preferred_lft forever\n",
  );
  expect(await shell.out("default/web-0 ip -4 -br addr show lo")).toBe(
    "lo               UNKNOWN        127.0.0.1/8 \n",
  );
  expect(await shell.out("default/web-0 hostname -I")).toBe("10.244.1.2 fd00:10:244:1::2 \n");
});

test("ip -6 route has metrics and preferences, the default last; ip -6 rule has no table default", async () => {
  expect(await shell.out("default/web-0 ip -6 route")).toBe(
    "fd00:10:244:1::/64 dev eth0 proto kernel metric 256 pref medium\n" +
      "fe80::/64 dev eth0 proto kernel metric 256 pref medium\n" +
      "default via fd00:10:244:1::1 dev eth0 metric 1024 pref medium\n",
  );
  expect(await shell.out("default/web-0 ip -6 rule")).toBe("0:\tfrom all lookup local\n32766:\tfrom all lookup main\n");
});

test("ip neigh shows neighbours of both families, ip -6 neigh those of IPv6", async () => {
  await shell.run("default/web-1 nc -z -w 1 10.244.2.3 5432");
  await shell.out("default/web-1 curl -s -o /dev/null http://[fd00:10:244:1::2]:8080");
  const lines = (await shell.out("default/web-1 ip neigh")).split("\n").map((line) => line.split(" ")[0]);
  expect(lines).toEqual(expect.arrayContaining(["fd00:10:244:2::1", "10.244.2.3"]));
  const six = (await shell.out("default/web-1 ip -6 neigh")).trimEnd().split("\n");
  expect(six.map((line) => line.replace(/ \S+ ?$/, ""))).toEqual([
    "fd00:10:244:2::1 dev eth0 lladdr 0a:58:0a:f4:02:01",
  ]);
});

test("conntrack lists connections of both families, with -f those of one, with short addresses", async () => {
  await shell.out("default/web-1 curl -s -o /dev/null http://[fd00:10:96::d]");
  const { out } = await shell.run("node-2 conntrack -L -f ipv6 -d fd00:10:96::d -p tcp");
  expect(out).toMatch(/^tcp {6}6 \d+ \w+ src=fd00:10:244:2::2 dst=fd00:10:96::d sport=\d+ dport=80 src=fd00:10:244:/);
  expect((await shell.run("node-2 conntrack -L -d fd00:10:96::d")).out).toBe(out);
  expect((await shell.run("node-2 conntrack -L -f ipv4")).out).not.toContain(":");
  const refused = await shell.run("node-2 conntrack -L -f ipv4 -s fd00::1");
  expect([refused.err, refused.status]).toEqual([`conntrack: invalid address "fd00::1" behind -s\n`, 2]);
});

test("ss shows sockets of both families with * and addresses of IPv6 in brackets", async () => {
  await shell.out("default/web-0 curl -s -o /dev/null http://[fd00:10:96::c]");
  // Until the FIN of a pod on another node has come.
  await shell.out("sleep 1");
  const text = await shell.out("default/web-0 ss -tan");
  expect(text).toMatch(/^LISTEN +0 +4096 +\*:8080 +\*:\* +$/m);
  expect(text).toMatch(/^TIME-WAIT 0 +0 +\[fd00:10:244:1::2\]:\d+ +\[fd00:10:96::c\]:80 +$/m);
});

test("ping sends echo requests of ICMPv6 and prints them as iputils does", async () => {
  expect(await shell.out("default/web-0 ping -c 1 fd00:10:244:1::1")).toMatch(
    /^PING fd00:10:244:1::1\(fd00:10:244:1::1\) 56 data bytes\n64 bytes from fd00:10:244:1::1: icmp_seq=1 ttl=64 time=[\d.]+ ms\n/,
  );
});

test("ping tells who says that the hop limit is over", async () => {
  const { out, status } = await shell.run("default/web-0 ping -c 1 -t 1 2001:db8:0:a::10");
  expect(out).toContain("From fd00:10:244:1::1 icmp_seq=1 Time exceeded: Hop limit\n");
  expect(status).toBe(1);
});

test("an address that a machine has numbered itself keeps its number when it is typed", async () => {
  const { kernel, namespaces } = shell.session.emulation;
  const handle = namespaces.find(({ name }) => name === "default/web-0")?.handle ?? 0;
  const met = kernel.addressNumberOn(handle, "2001:db8:ffff::77");
  await shell.run("default/web-0 ping -c 1 -W 1 2001:db8:ffff::77");
  expect(kernel.addressNumberOn(handle, "2001:db8:ffff::77")).toBe(met);
});

test("tools whose probes are of IPv4 alone refuse IPv6 addresses by name", async () => {
  for (const tool of ["traceroute", "tracepath"]) {
    const { err, status } = await shell.run(`default/web-0 ${tool} fd00:10:96::c`);
    const [name] = tool.split(" ");
    expect([err, status]).toEqual([`${name ?? ""}: fd00:10:96::c: probes of IPv6 are not emulated here\n`, 2]);
  }
});
