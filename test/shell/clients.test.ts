// `ping`, `curl` and `dig` in the shell: real packets, the answers in the words of the tools, and their exit statuses.
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { shellOn, type Shell } from "./shell.ts";

let shell: Shell;
beforeAll(() => void (shell = shellOn("walks/04-service")));

describe("ping", () => {
  test("prints each answer with its TTL and time, and a summary", async () => {
    expect(await shell.out("client ping -c 2 10.244.2.2")).toMatchInlineSnapshot(`
      "PING 10.244.2.2 (10.244.2.2) 56(84) bytes of data.
      64 bytes from 10.244.2.2: icmp_seq=1 ttl=62 time=0.200 ms
      64 bytes from 10.244.2.2: icmp_seq=2 ttl=62 time=0.100 ms

      --- 10.244.2.2 ping statistics ---
      2 packets transmitted, 2 received, 0% packet loss, time 1000ms
      rtt min/avg/max/mdev = 0.100/0.150/0.200/0.050 ms
      "
    `);
  });

  test("prints errors with who told them, and fails if no answer came", async () => {
    expect(await shell.run("client ping -c 1 -t 1 10.244.2.2")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "PING 10.244.2.2 (10.244.2.2) 56(84) bytes of data.
      From 10.244.1.1 icmp_seq=1 Time to live exceeded

      --- 10.244.2.2 ping statistics ---
      1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

      ",
        "status": 1,
      }
    `);
    expect(await shell.run("client ping -c 1 10.244.1.99")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": "PING 10.244.1.99 (10.244.1.99) 56(84) bytes of data.
      From 10.244.1.2 icmp_seq=1 Destination Host Unreachable

      --- 10.244.1.99 ping statistics ---
      1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 3000ms

      ",
        "status": 1,
      }
    `);
    expect((await shell.run("client ping -c 1 -W 1 10.244.1.98")).out).toContain(
      "0 received, 100% packet loss, time 0ms",
    );
  });

  test("does not fragment with -M do, and does without", async () => {
    expect(await shell.run("client ping -c 1 -M do -s 1473 10.244.2.2")).toMatchInlineSnapshot(`
      {
        "err": "ping: local error: message too long, mtu=1500
      ",
        "out": "PING 10.244.2.2 (10.244.2.2) 1473(1501) bytes of data.

      --- 10.244.2.2 ping statistics ---
      1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

      ",
        "status": 1,
      }
    `);
    expect(await shell.out("client ping -c 1 -M do -s 1472 10.244.2.2 | head -2")).toContain("1480 bytes from");
    expect(await shell.out("client ping -c 1 -s 3000 10.244.2.2 | head -2")).toContain("3008 bytes from");
  });

  test.each([
    ["client ping -c 1 nosuch", "ping: nosuch: Name or service not known\n", 2],
    ["client ping 10.244.2.2", "ping: without -c or -w it would never end here; say how many with -c\n", 2],
    ["client ping -f 10.244.2.2", "ping: option -f is not emulated\n", 2],
    ["client ping -c 1 -I 10.9.9.9 10.244.2.2", "ping: bind: Cannot assign requested address\n", 2],
    ["client ping -c 1 -I eth7 10.244.2.2", "ping: unknown iface: eth7\n", 2],
  ])("%s", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });
});

describe("curl", () => {
  test("prints the body of a response; with -v what went over the connection", async () => {
    expect(await shell.out("client curl -s http://near | head -1")).toMatch(/^default\/near-0\n$/);
    const { out, err, status } = await shell.run("client curl -v -o /dev/null http://near/a?b=c");
    expect({ out, err, status }).toMatchInlineSnapshot(`
      {
        "err": "*   Trying 10.96.0.11:80...
      * Connected to near (10.96.0.11) port 80 (#0)
      > GET /a?b=c HTTP/1.1
      > Host: near
      > User-Agent: curl/7.88.1
      > Accept: */*
      > 
      < HTTP/1.1 200 OK
      < Content-Type: text/plain
      < Content-Length: 200
      < Server: podwire
      < 
      * Connection #0 to host near left intact
      ",
        "out": "",
        "status": 0,
      }
    `);
  });

  test("sends HEAD, headers and data of one's own, and tells with -w what it found", async () => {
    expect(await shell.out("client curl -I http://near")).toMatchInlineSnapshot(`
      "HTTP/1.1 200 OK
      Content-Type: text/plain
      Content-Length: 200
      Server: podwire

      "
    `);
    const { err } = await shell.run("client curl -sv -H 'Host: x' -H 'Accept:' -d a=1 -d b=2 http://near -o /dev/null");
    expect(err.split("\n").filter((line) => line.startsWith(">"))).toMatchInlineSnapshot(`
      [
        "> POST / HTTP/1.1",
        "> Host: x",
        "> User-Agent: curl/7.88.1",
        "> Content-Length: 7",
        "> Content-Type: application/x-www-form-urlencoded",
        "> ",
      ]
    `);
    const facts = "%{http_code} %{remote_ip}:%{remote_port} %{size_download}\\n";
    expect(await shell.out(`client curl -s -o /dev/null -w '${facts}' http://near`)).toBe("200 10.96.0.11:80 200\n");
  });

  test.each([
    ["client curl http://nosuch", "curl: (6) Could not resolve host: nosuch\n", 6],
    ["client curl -s http://nosuch", "", 6],
    [
      "client curl http://10.244.2.2:9",
      "curl: (7) Failed to connect to 10.244.2.2 port 9 after 0 ms: Couldn't connect to server\n",
      7,
    ],
    ["client curl --max-time 2 http://10.244.1.99", "curl: (28) Connection timed out after 2000 milliseconds\n", 28],
    ["client curl https://web", 'curl: (1) Protocol "https" not supported or disabled in libcurl\n', 1],
    ["client curl --http3 http://near", "curl: option --http3 is not emulated\n", 2],
  ])("%s", async (line, err, status) => {
    expect(await shell.run(line)).toEqual({ out: "", err, status });
  });

  test("says with -v why it could not connect", async () => {
    expect((await shell.run("client curl -v http://10.244.2.2:9")).err).toMatchInlineSnapshot(`
      "*   Trying 10.244.2.2:9...
      * connect to 10.244.2.2 port 9 failed: Connection refused
      * Failed to connect to 10.244.2.2 port 9 after 0 ms: Couldn't connect to server
      * Closing connection 0
      curl: (7) Failed to connect to 10.244.2.2 port 9 after 0 ms: Couldn't connect to server
      "
    `);
  });
});

describe("dig", () => {
  beforeEach(() => void (shell = shellOn("walks/04-service")));

  test("prints the answer of the pod's name server part by part", async () => {
    expect(await shell.out("client dig near.default.svc.cluster.local")).toMatchInlineSnapshot(`
      "
      ; <<>> DiG 9.18.49 <<>> near.default.svc.cluster.local
      ;; global options: +cmd
      ;; Got answer:
      ;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 33735
      ;; flags: qr aa rd; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 1
      ;; WARNING: recursion requested but not available

      ;; OPT PSEUDOSECTION:
      ; EDNS: version: 0, flags:; udp: 1232
      ;; QUESTION SECTION:
      ;near.default.svc.cluster.local. IN	A

      ;; ANSWER SECTION:
      near.default.svc.cluster.local.	30 IN	A	10.96.0.11

      ;; Query time: 0 msec
      ;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)
      ;; WHEN: Thu Jan 01 00:00:01 UTC 2026
      ;; MSG SIZE  rcvd: 105

      "
    `);
  });

  test("prints data only with +short, and single parts", async () => {
    expect(await shell.out("client dig +short near.default.svc.cluster.local; client dig +short -x 10.96.0.11")).toBe(
      "10.96.0.11\nnear.default.svc.cluster.local.\n",
    );
    expect(await shell.out("client dig +noall +answer _http._tcp.near.default.svc.cluster.local SRV"))
      .toMatchInlineSnapshot(`
      "_http._tcp.near.default.svc.cluster.local. 30 IN SRV 0 100 80 near.default.svc.cluster.local.
      "
    `);
    expect(await shell.out("client dig +tcp +noall +stats near.default.svc.cluster.local")).toContain("(TCP)\n");
  });

  test("says NXDOMAIN for names that are not there, with the authority that says so", async () => {
    expect(await shell.out("client dig nosuch.cluster.local")).toMatchInlineSnapshot(`
      "
      ; <<>> DiG 9.18.49 <<>> nosuch.cluster.local
      ;; global options: +cmd
      ;; Got answer:
      ;; ->>HEADER<<- opcode: QUERY, status: NXDOMAIN, id: 9004
      ;; flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1
      ;; WARNING: recursion requested but not available

      ;; OPT PSEUDOSECTION:
      ; EDNS: version: 0, flags:; udp: 1232
      ;; QUESTION SECTION:
      ;nosuch.cluster.local.		IN	A

      ;; AUTHORITY SECTION:
      cluster.local.		30	IN	SOA	ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30

      ;; Query time: 0 msec
      ;; SERVER: 10.96.0.10#53(10.96.0.10) (UDP)
      ;; WHEN: Thu Jan 01 00:00:01 UTC 2026
      ;; MSG SIZE  rcvd: 142

      "
    `);
  });

  test("gives up on a server that does not answer, or refuses", async () => {
    expect(await shell.run("client dig +time=1 +tries=2 @10.244.2.2 near")).toMatchInlineSnapshot(`
      {
        "err": "",
        "out": ";; communications error to 10.244.2.2#53: connection refused
      ;; communications error to 10.244.2.2#53: connection refused

      ; <<>> DiG 9.18.49 <<>> +time=1 +tries=2 @10.244.2.2 near
      ; (1 server found)
      ;; global options: +cmd
      ;; no servers could be reached
      ",
        "status": 9,
      }
    `);
  });

  test("names types and options that are not emulated", async () => {
    expect((await shell.run("client dig -t NAPTR near")).status).toBe(2);
    expect(await shell.run("client dig +dnssec near")).toEqual({
      out: "",
      err: "dig: option +dnssec is not emulated\n",
      status: 2,
    });
  });
});
