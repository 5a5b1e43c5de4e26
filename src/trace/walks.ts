// From the steps of all packets to one walk for each packet: what it was, where it went, how it ended.
import type { RuleView, Step } from "../seam/trace.ts";
import { isDns, isIp, packetEnds, packetKind } from "./packet.ts";

/** How a walk ended. */
export type End =
  | { kind: "delivered"; namespace: string; owner: string }
  | { kind: "dropped"; namespace: string; reason: string; rule?: RuleView; answered?: "ICMP" | "TCP reset" }
  | { kind: "lost" };

/** The way of one packet. */
export interface Walk {
  packet: number;
  /** `TCP SYN 10.244.1.3:32768 > 10.96.12.9:7070`, as it was at first. */
  summary: string;
  steps: Step[];
  end: End;
}

/** The walks in the order in which the packets began. Of ARP only with `arp`. */
export function walksOf(steps: readonly Step[], { arp = false }: { arp?: boolean } = {}): Walk[] {
  const byPacket = new Map<number, Step[]>();
  for (const step of steps) {
    const known = byPacket.get(step.packet);
    if (known) known.push(step);
    else byPacket.set(step.packet, [step]);
  }
  return [...byPacket].flatMap(([packet, own]) => {
    const [first] = own;
    if (!first || (!arp && first.view.network.kind === "arp")) return [];
    return { packet, summary: `${packetKind(first.view)} ${packetEnds(first.view)}`, steps: own, end: endOf(own) };
  });
}

/** The walk of the request itself: the first packet that is not a question for a name, or else the first of all. */
export function requestWalk(walks: readonly Walk[], asksNames: boolean): Walk | undefined {
  const own = walks.filter(({ steps }) => steps[0]?.line !== undefined);
  const request = own.find(({ steps }) => {
    const network = steps[0]?.view.network;
    return network !== undefined && isIp(network) && !(asksNames && isDns(network));
  });
  return request ?? own[0];
}

function endOf(steps: readonly Step[]): End {
  // Copies of a flooded packet end everywhere; what counts is whether one was taken. Out of a tunnel it goes on.
  const taken = steps.findLast((step) => step.kind === "socket" && step.owner !== "tunnel");
  if (taken?.kind === "socket") return { kind: "delivered", namespace: taken.namespace, owner: taken.owner };
  const at = steps.findLastIndex((step) => step.kind === "drop" && step.reason !== "OTHERHOST");
  const dropped = steps[at] ?? steps.findLast((step) => step.kind === "drop");
  if (dropped?.kind !== "drop") return { kind: "lost" };
  const before = steps.slice(0, at < 0 ? steps.length : at).filter(({ namespace }) => namespace === dropped.namespace);
  // A packet also dies as NETFILTER_DROP without a rule's doing: where its connection cannot be confirmed, or finds no port.
  const last = before.findLast(
    ({ kind }) => kind === "rule" || kind === "hook" || kind === "confirmed" || kind === "nat",
  );
  const rule = last?.kind === "rule" && denies(last.rule) ? last.rule : undefined;
  const answer = before.findLast((step) => step.kind === "answer" || step.kind === "reset");
  return {
    kind: "dropped",
    namespace: dropped.namespace,
    reason: dropped.reason,
    ...(dropped.reason === "NETFILTER_DROP" && rule ? { rule } : {}),
    ...(answer ? { answered: answer.kind === "answer" ? ("ICMP" as const) : ("TCP reset" as const) } : {}),
  };
}

/** Whether a rule or policy ends a packet; of nftables also one whose map may say so. */
function denies({ index, text }: RuleView): boolean {
  if (index === "policy") return text === "DROP";
  return / -j (DROP|REJECT)\b/.test(text) || /(^| )(drop|reject)( comment |$)| vmap @\S+$/.test(text);
}
