// The address that a word means, as getaddrinfo finds it: an IPv4 address, `localhost`, or what the namespace's resolver says.
import { parseIpv4 } from "../address.ts";
import { namesBlock } from "../engine/names.ts";
import { seedOf } from "../engine/random.ts";
import { searchNames } from "../kubernetes/dns.ts";
import type { Emulation } from "./emulation.ts";
import type { Namespace } from "./namespaces.ts";

/** What came of a question for an address: EAI_NONAME, EAI_AGAIN, or it was not there in time. */
export type Unresolved = "unknown" | "no answer" | "too late";

const PATIENCE_NS = 120e9;

/** Finds an address, if need be by DNS packets, until `deadlineNs`. */
export async function resolve(
  emulation: Emulation,
  { name: where, handle, resolver }: Namespace,
  word: string,
  signal: AbortSignal,
  deadlineNs = Infinity,
): Promise<number | Unresolved> {
  const address = parseIpv4(word);
  if (address !== undefined) return address;
  if (word === "localhost") return 0x7f000001;
  const own = where.split("/").at(-1);
  if (word === own && emulation.scenario.cluster.pods.some((pod) => `${pod.namespace}/${pod.name}` === where))
    return (
      parseIpv4(emulation.scenario.cluster.pods.find((pod) => `${pod.namespace}/${pod.name}` === where)?.podIP ?? "") ??
      "unknown"
    );
  const [first = "", ...others] = resolver.nameservers;
  if (first === "") return "no answer";
  const number = emulation.newNumber();
  const { plan } = emulation.scenario;
  emulation.programs.lookup(
    handle,
    namesBlock(searchNames(resolver, word.toLowerCase())),
    { first, options: { ...resolver.options, ...(others.length > 0 ? { others } : {}) } },
    number,
    {
      atNs: emulation.nowNs,
      timeoutNs: PATIENCE_NS,
      seed: seedOf(plan.seed, `lookup ${where} ${emulation.nowNs} ${word}`),
    },
  );
  const mail = await emulation.mail(number, Math.min(deadlineNs, emulation.nowNs + 2 * PATIENCE_NS), signal);
  emulation.forget(number);
  if (mail?.kind === "resolved") return mail.subject;
  if (mail === undefined) return "too late";
  const { attempts = 2 } = resolver.options;
  return mail.subject >= attempts * resolver.nameservers.length ? "no answer" : "unknown";
}
