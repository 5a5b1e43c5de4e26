// The chains that spread a service port's connections over its endpoints: KUBE-SVC or KUBE-SVL, and a KUBE-SEP for each endpoint.
import { comment, type RuleTable } from "../tables.ts";
import { networkForm } from "./ip.ts";
import { endpointChain } from "./names.ts";
import type { ProxyEndpoint } from "./select.ts";
import type { ProxyServicePort } from "./service-port.ts";

const ONE = 2 ** 31;

/**
 * One in `n` as iptables-save prints it. kube-proxy writes ten decimals, the kernel keeps the nearest 31-bit fraction,
 * iptables-save prints that with eleven decimals (a tie goes to the even digit).
 */
export function probability(n: number): string {
  const kept = BigInt(Math.round(Number((1 / n).toFixed(10)) * ONE));
  const scaled = kept * 10n ** 11n;
  const [digits, rest] = [scaled / BigInt(ONE), 2n * (scaled % BigInt(ONE))];
  const up = rest > BigInt(ONE) || (rest === BigInt(ONE) && digits % 2n === 1n) ? 1n : 0n;
  const text = String(digits + up).padStart(12, "0");
  return `${text.slice(0, -11)}.${text.slice(-11)}`;
}

/** `-m recent` for the clients that an endpoint has served; the list is named after the endpoint's chain. */
function recent(chain: string, endpoint: ProxyEndpoint, operation: string): string {
  const mask = endpoint.ip.includes(":") ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "255.255.255.255";
  return `-m recent ${operation} --name ${chain} --mask ${mask} --rsource`;
}

/** Appends to `chain` a client's former endpoint first, then each endpoint with its share of chance. */
export function addSpread(
  nat: RuleTable,
  chain: string,
  port: ProxyServicePort,
  endpoints: readonly ProxyEndpoint[],
  comments: boolean,
): void {
  const members = endpoints.map((endpoint) => ({
    endpoint,
    target: endpointChain(port.name, port.protocol, endpoint.text),
    note: comments ? [comment(`${port.name} -> ${endpoint.text}`)] : [],
  }));
  if (port.stickySeconds > 0)
    for (const { endpoint, target, note } of members) {
      const match = recent(target, endpoint, `--rcheck --seconds ${port.stickySeconds} --reap`);
      nat.append(chain, { matches: [...note, match], target });
    }
  members.forEach(({ target, note }, i) => {
    const left = members.length - i;
    const chance = left > 1 ? [`-m statistic --mode random --probability ${probability(left)}`] : [];
    nat.append(chain, { matches: [...note, ...chance], target });
  });
}

/** Writes the KUBE-SEP chain of an endpoint: masquerade what comes from the endpoint itself, then DNAT. */
export function addEndpoint(nat: RuleTable, port: ProxyServicePort, endpoint: ProxyEndpoint, comments: boolean): void {
  const chain = endpointChain(port.name, port.protocol, endpoint.text);
  const note = comments ? [comment(port.name)] : [];
  const remember = port.stickySeconds > 0 ? [recent(chain, endpoint, "--set")] : [];
  nat.append(chain, { source: networkForm(endpoint.ip), matches: note, target: "KUBE-MARK-MASQ" });
  nat.append(chain, {
    protocol: port.protocol,
    matches: [...note, ...remember, `-m ${port.protocol}`],
    target: `DNAT --to-destination ${endpoint.text}`,
  });
}
