// The other tools of the shell: conntrack, ss, ipset, traceroute, tracepath, nc, nslookup, hostname, cat and sysctl.
import { beforeAll, describe, expect, test } from "vitest";
import { shellOn, type Shell } from "./shell.ts";

let shell: Shell;
beforeAll(() => void (shell = shellOn("walks/04-service")));

describe("conntrack", () => {
  beforeAll(async () => void (await shell.run("client curl -s -o /dev/null http://far; client ping -c 1 10.244.2.2")));

  test("-L lists connections with both tuples, filtered by protocol, address and NAT", async () => {
    const { out, err } = await shell.run("node-1 conntrack -L");
    expect(err).toBe("conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.\n");
    expect(out).toMatchInlineSnapshot(`
      "icmp     1 30 src=10.244.1.2 dst=10.244.2.2 type=8 code=0 id=3 src=10.244.2.2 dst=10.244.1.2 type=0 code=0 id=3 mark=0 use=1
      tcp      6 119 TIME_WAIT src=10.244.1.2 dst=10.96.0.12 sport=60051 dport=80 src=10.244.2.2 dst=10.244.1.2 sport=8080 dport=60051 [ASSURED] mark=0 use=1
      udp      17 29 src=10.244.1.2 dst=10.96.0.10 sport=60050 dport=53 src=10.244.2.3 dst=10.244.1.2 sport=53 dport=60050 mark=0 use=1
      "
    `);
    const count = async (options: string) =>
      (await shell.run(`node-1 conntrack -L ${options}`)).out.split("\n").length - 1;
    expect(await count("-p icmp")).toBe(1);
    expect(await count("--dst-nat")).toBe(2);
    expect(await count("--dst-nat -p tcp -s 10.244.1.2 -d 10.96.0.12 --dport 80")).toBe(1);
    expect(await count("-s 10.9.9.9")).toBe(0);
  });

  test("-C counts them, -S tells what the kernel could not take", async () => {
    expect(await shell.out("node-1 conntrack -C")).toBe("3\n");
    expect(await shell.out("node-1 conntrack -S")).toBe(
      "cpu=0   \tfound=0 invalid=0 insert=0 insert_failed=0 drop=0 early_drop=0 error=0 search_restart=0 clash_resolve=0 chaintoolong=0 \n",
    );
  });
});

describe("ss", () => {
  test("lists listeners with who listens, and connections with their state", async () => {
    expect(await shell.out("near-0 ss -tulnp; kube-system/coredns-1 ss -lun")).toMatchInlineSnapshot(`
      "Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
      tcp   LISTEN 0      4096         0.0.0.0:8080      0.0.0.0:*   users:(("near"))
      State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess
      UNCONN 0      0            0.0.0.0:53        0.0.0.0:*   
      "
    `);
    await shell.run("client curl -s -o /dev/null http://near");
    expect(await shell.out("client ss -tnH | cut -d' ' -f1")).toMatch(/^(TIME-WAIT|FIN-WAIT-\d)\n/);
  });
});

test("nstat -a shows what listeners have counted: those that are not 0, with -z all, or those of a pattern", async () => {
  expect(await shell.out("near-0 nstat -a")).toBe("#kernel\n");
  expect(await shell.out("near-0 nstat -az 'TcpExtSync*'")).toBe(
    [
      "#kernel",
      "TcpExtSyncookiesSent            0                  0.0",
      "TcpExtSyncookiesRecv            0                  0.0",
      "TcpExtSyncookiesFailed          0                  0.0",
      "",
    ].join("\n"),
  );
  expect((await shell.run("near-0 nstat")).err).toMatch(/-a shows all/);
});

test("ipset list and save show the sets of network policies", async () => {
  const policies = shellOn("policies");
  const names = (await policies.out("node-1 ipset list -n")).trimEnd().split("\n");
  expect(names.length).toBeGreaterThan(0);
  const save = await policies.out(`node-1 ipset save ${names[0] ?? ""}`);
  expect(save).toMatchInlineSnapshot(`
    "create NETPOL-VUTTPME35T4AMAXS hash:ip,port family inet hashsize 1024 maxelem 65536
    add NETPOL-VUTTPME35T4AMAXS 10.244.1.2,tcp:8080
    add NETPOL-VUTTPME35T4AMAXS 10.244.1.3,tcp:8080
    add NETPOL-VUTTPME35T4AMAXS 10.244.2.2,tcp:8080
    add NETPOL-VUTTPME35T4AMAXS 10.244.2.3,tcp:8080
    "
  `);
  expect((await policies.out(`node-1 ipset list ${names[0] ?? ""}`)).split("\n").slice(1)).toMatchInlineSnapshot(`
    [
      "Type: hash:ip,port",
      "Revision: 7",
      "Header: family inet hashsize 1024 maxelem 65536",
      "Number of entries: 4",
      "Members:",
      "10.244.1.2,tcp:8080",
      "10.244.1.3,tcp:8080",
      "10.244.2.2,tcp:8080",
      "10.244.2.3,tcp:8080",
      "",
    ]
  `);
  expect((await policies.run("node-1 ipset list none")).status).toBe(1);
});

describe("the way to a host", () => {
  test("hop by hop by traceroute", async () => {
    expect(await shell.out("client traceroute -n 10.244.2.2")).toMatchInlineSnapshot(`
      "traceroute to 10.244.2.2 (10.244.2.2), 30 hops max, 60 byte packets
       1  10.244.1.1  0.000 ms  0.000 ms  0.000 ms
       2  192.168.0.12  0.100 ms  0.100 ms  0.100 ms
       3  10.244.2.2  0.100 ms  0.100 ms  0.100 ms
      "
    `);
    expect(await shell.out("client traceroute -n -I -q 1 10.244.2.2 | tail -1")).toBe(" 3  10.244.2.2  0.100 ms\n");
    expect((await shell.out("client traceroute -m 2 10.244.1.99")).split("\n").slice(1)).toMatchInlineSnapshot(`
      [
        " 1  10.244.1.2  3000.000 ms !H  3000.000 ms !H  3000.000 ms !H",
        "",
      ]
    `);
  });

  test("with its MTU by tracepath", async () => {
    expect(await shell.out("client tracepath -n 10.244.2.2")).toMatchInlineSnapshot(`
      " 1?: [LOCALHOST]                      pmtu 1500
       1:  10.244.1.1                                            0.000ms 
       2:  192.168.0.12                                          0.102ms 
       3:  10.244.2.2                                            0.102ms reached
           Resume: pmtu 1500 hops 3 back 3 
      "
    `);
  });
});

describe("nc -z", () => {
  test.each([
    ["client nc -zv far 80", "Connection to far (10.96.0.12) 80 port [tcp/http] succeeded!\n", 0],
    ["client nc -zv 10.244.2.2 9", "nc: connect to 10.244.2.2 port 9 (tcp) failed: Connection refused\n", 1],
    [
      "client nc -zv -w 1 10.244.1.99 80",
      "nc: connect to 10.244.1.99 port 80 (tcp) timed out: Operation now in progress\n",
      1,
    ],
    ["client nc -zvu 10.96.0.10 53", "Connection to 10.96.0.10 53 port [udp/domain] succeeded!\n", 0],
    ["client nc 10.96.0.10 53", "nc: only -z is emulated: whether a port takes connections\n", 2],
  ])("%s", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });
});

describe("nslookup", () => {
  test("finds names of the search list, addresses and services", async () => {
    expect(await shell.out("client nslookup far")).toBe(
      "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\nName:\tfar.default.svc.cluster.local\nAddress: 10.96.0.12\n\n",
    );
    expect(await shell.out("client nslookup 10.96.0.12")).toBe(
      "12.0.96.10.in-addr.arpa\tname = far.default.svc.cluster.local.\n\n",
    );
    const { out, status } = await shell.run("client nslookup nosuch");
    expect({ out, status }).toEqual({
      out: "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\n** server can't find nosuch: NXDOMAIN\n\n",
      status: 1,
    });
  });
});

describe("what a host says of itself", () => {
  test.each([
    ["client hostname", "client\n"],
    ["client hostname -I", "10.244.1.2 \n"],
    [
      "client cat /etc/resolv.conf",
      "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
    ],
    ["node-1 cat /etc/resolv.conf", "nameserver 198.51.100.53\n"],
    ["client cat /etc/hosts", "127.0.0.1\tlocalhost\n10.244.1.2\tclient\n"],
    ["node-1 cat /proc/sys/net/ipv4/ip_forward", "1\n"],
    [
      "node-1 sysctl net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables",
      "net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\n",
    ],
    ["client sysctl -n net.ipv4.ip_default_ttl", "64\n"],
    ["client sysctl -a | grep -c net.ipv4.conf.eth0", "12\n"],
  ])("%s", async (line, out) => {
    expect(await shell.out(line)).toBe(out);
  });

  test("what is not there is named", async () => {
    expect(await shell.run("client cat /etc/passwd")).toEqual({
      out: "",
      err: "cat: /etc/passwd: No such file or directory\n",
      status: 1,
    });
    expect((await shell.run("client sysctl net.x")).err).toBe(
      "sysctl: cannot stat /proc/sys/net/x: No such file or directory\n",
    );
  });
});
