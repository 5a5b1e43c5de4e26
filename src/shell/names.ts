// The address that a word means, as getaddrinfo finds it: an address, `localhost`, or what the namespace's resolver says.
import { isIP } from "node:net";
import { namesBlock } from "../engine/names.ts";
import { seedOf } from "../engine/random.ts";
import { searchNames } from "../kubernetes/dns.ts";
import type { Family } from "../iptables/addresses.ts";
import { podIPs } from "../kubernetes/families.ts";
import type { Emulation } from "./emulation.ts";
import type { Namespace } from "./namespaces.ts";
import type { Given } from "./options.ts";
import { ToolError, type Context } from "./tool.ts";

/** What came of a question for an address: EAI_NONAME, EAI_AGAIN, or it was not there in time. */
export type Unresolved = "unknown" | "no answer" | "too late";

const PATIENCE_NS = 120e9;

/** The text of what stands for an address in the kernel. */
export function textOf({ emulation, namespace }: Pick<Context, "emulation" | "namespace">, address: number): string {
  return emulation.kernel.addressText(namespace.handle, address);
}

/** The family that -4 or -6 asks for. */
export function familyOf(given: Given): Family | undefined {
  return given.has("6") ? "ipv6" : given.has("4") ? "ipv4" : undefined;
}

/** An address for tools whose probes are of IPv4 alone; refuses an IPv6 address by name. */
export function resolve4(
  tool: string,
  { emulation, namespace, signal }: Context,
  word: string,
): Promise<number | Unresolved> {
  if (isIP(word) === 6) throw new ToolError(`${tool}: ${word}: probes of IPv6 are not emulated here`);
  return resolve(emulation, namespace, word, signal, Infinity, "ipv4");
}

/** Finds an address, of one family if that is said, if need be by DNS packets, until `deadlineNs`. */
export async function resolve(
  emulation: Emulation,
  { name: where, handle, resolver }: Namespace,
  word: string,
  signal: AbortSignal,
  deadlineNs = Infinity,
  family?: Family,
): Promise<number | Unresolved> {
  const written = isIP(word);
  const suits = (text: string): boolean => family === undefined || isIP(text) === (family === "ipv4" ? 4 : 6);
  if (written !== 0) return suits(word) ? emulation.kernel.addressNumberOn(handle, word) : "unknown";
  if (word === "localhost") return emulation.kernel.addressNumberOn(handle, family === "ipv6" ? "::1" : "127.0.0.1");
  const pod = emulation.scenario.cluster.pods.find(({ namespace, name }) => `${namespace}/${name}` === where);
  if (pod && word === pod.name) {
    const own = podIPs(pod).find(suits);
    return own === undefined ? "unknown" : emulation.kernel.addressNumberOn(handle, own);
  }
  const [first = "", ...others] = resolver.nameservers;
  if (first === "") return "no answer";
  const number = emulation.newNumber();
  const { plan } = emulation.scenario;
  emulation.programs.lookup(
    handle,
    namesBlock(searchNames(resolver, word.toLowerCase())),
    {
      first,
      options: {
        ...resolver.options,
        ...(others.length > 0 ? { others } : {}),
        ...(family === undefined ? {} : { family }),
      },
    },
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
