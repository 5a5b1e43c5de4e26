// A load balancer's records in the kernel: written before a run, read after it; see assembly/layout/balancer.ts.
import { bracketed } from "../address6.ts";
import * as B from "../../assembly/layout/balancer.ts";
import { PROTO_TCP, PROTO_UDP } from "../iptables/protocols.ts";
import type { Handle, Kernel } from "../kernel/kernel.ts";
import type { BalancerConfig, HealthCheckConfig } from "../seam/machine.ts";
import type { BalancerResult } from "../seam/plan.ts";

/** Checks begin so far from each other, as a load balancer does not ask for everything at once. */
const STAGGER_NS = 10_000;

export interface BuiltBalancer {
  config: BalancerConfig;
  ns: Handle;
  record: Handle;
  /** In the order of `config.virtualServers`. */
  virtuals: Handle[];
}

/** Makes a namespace a load balancer, and has its checks begin. */
export function addBalancer(kernel: Kernel, ns: Handle, config: BalancerConfig): BuiltBalancer {
  const record = kernel.calls.newBalancer(ns) >>> 0;
  const checks = config.checks.map((check, i) => {
    const at = placeCheck(kernel, ns, check);
    kernel.calls.startCheck(at, i * STAGGER_NS);
    return at;
  });
  const virtuals = config.virtualServers.map(({ address, protocol, port, relayPort = 0, bySource, servers }) => {
    const words = new Uint32Array((B.VIRTUAL_REALS + servers.length * (B.REAL_SIZE + 4)) / 4);
    words[B.VIRTUAL_ADDRESS / 4] = kernel.addressNumber(address);
    words[B.VIRTUAL_PROTO / 4] = protocol === "tcp" ? PROTO_TCP : PROTO_UDP;
    words[B.VIRTUAL_PORT / 4] = port;
    words[B.VIRTUAL_RELAY_PORT / 4] = relayPort;
    words[B.VIRTUAL_BY_SOURCE / 4] = bySource ? 1 : 0;
    words[B.VIRTUAL_COUNT / 4] = servers.length;
    servers.forEach((server, i) => {
      const real = (B.VIRTUAL_REALS + i * B.REAL_SIZE) / 4;
      words[real + B.REAL_ADDRESS / 4] = kernel.addressNumber(server.address);
      words[real + B.REAL_CHECK / 4] = checks[server.check] ?? 0;
    });
    return kernel.placeWords(words);
  });
  const relayed = (i: number): boolean => config.virtualServers[i]?.relayPort !== undefined;
  const handed = virtuals.filter((_, i) => !relayed(i));
  handed.forEach((at, i) => kernel.setWord(at + B.VIRTUAL_NEXT, handed[i + 1] ?? 0));
  kernel.setWord(record + B.BALANCER_VIRTUALS, handed[0] ?? 0);
  config.virtualServers.forEach(({ address, port }, i) => {
    if (relayed(i)) kernel.listen(ns, "tcp", kernel.addressNumber(address), port, "relay", virtuals[i] ?? 0);
  });
  return { config, ns, record, virtuals };
}

function placeCheck(kernel: Kernel, ns: Handle, check: HealthCheckConfig): Handle {
  const { address, port, path, rise, fall } = check;
  const head = [`GET ${path} HTTP/1.1`, `Host: ${bracketed(address)}:${port}`, "User-Agent: load-balancer"];
  const request = new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`);
  const words = new Uint32Array(B.CHECK_SIZE / 4);
  words[B.CHECK_NAMESPACE / 4] = ns;
  words[B.CHECK_ADDRESS / 4] = kernel.addressNumber(address);
  words[B.CHECK_PORT / 4] = port;
  words[B.CHECK_RISE / 4] = rise;
  words[B.CHECK_FALL / 4] = fall;
  words[B.CHECK_REQUEST / 4] = kernel.place(request);
  words[B.CHECK_REQUEST_BYTES / 4] = request.length;
  const times = new BigUint64Array(words.buffer);
  times[B.CHECK_INTERVAL / 8] = BigInt(check.intervalNs);
  times[B.CHECK_TIMEOUT / 8] = BigInt(check.timeoutNs);
  return kernel.placeWords(words);
}

/** What a load balancer did in a run. */
export function balancerResult(kernel: Kernel, { config, ns, record, virtuals }: BuiltBalancer): BalancerResult {
  return {
    virtualServers: config.virtualServers.map(({ name, address, protocol, port, servers }, i) => ({
      name,
      address,
      protocol,
      port,
      servers: servers.map((server, j) => {
        const real = (virtuals[i] ?? 0) + B.VIRTUAL_REALS + j * B.REAL_SIZE;
        return {
          address: server.address,
          healthy: kernel.word(kernel.word(real + B.REAL_CHECK) + B.CHECK_STATE) === B.CHECK_UP,
          connections: kernel.word(real + B.REAL_CONNECTIONS),
        };
      }),
    })),
    changes: changesOf(kernel, ns, record),
  };
}

function changesOf(kernel: Kernel, ns: Handle, record: Handle): BalancerResult["changes"] {
  const changes: BalancerResult["changes"] = [];
  for (let at = kernel.word(record + B.BALANCER_CHANGES); at !== 0; at = kernel.word(at + B.CHANGE_NEXT)) {
    const check = kernel.word(at + B.CHANGE_CHECK);
    changes.push({
      atNs: Number(kernel.long(at + B.CHANGE_TIME)),
      address: kernel.addressText(ns, kernel.word(check + B.CHECK_ADDRESS)),
      port: kernel.word(check + B.CHECK_PORT),
      healthy: kernel.word(at + B.CHANGE_STATE) === B.CHECK_UP,
      result: resultText(kernel.word(at + B.CHANGE_RESULT)),
    });
  }
  return changes;
}

function resultText(result: number): string {
  if (result === B.RESULT_TIMED_OUT) return "timed out";
  if (result === B.RESULT_REFUSED) return "refused";
  return result === B.RESULT_NO_HTTP ? "no HTTP" : String(result);
}
