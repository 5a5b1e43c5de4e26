// The file that describes one kube-proxy and its node: flags, addresses and settings, field by field with their defaults.
import { z } from "zod";
import { storedCidr, storedIp } from "../../kubernetes/addresses.ts";
import { labels } from "../../kubernetes/meta.ts";
import { SCHEDULERS, SCHEDULER_SENTENCE } from "../../seam/ipvs.ts";
import { proxyContext, type ProxyContext } from "./context.ts";
import { familyOf, isLoopback, networkForm } from "./ip.ts";

/** The longest name that Linux lets an interface have. */
const INTERFACE_NAME = 15;

const detectLocal = z
  .strictObject({
    mode: z.enum(["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix", "None"]),
    value: z.union([z.string(), z.array(z.string()).min(1)], "should be a text or a list of texts").optional(),
  })
  .superRefine(({ mode, value }, context) => {
    const values = value === undefined ? [] : [value].flat();
    const complain = (message: string): void => context.addIssue({ code: "custom", path: ["value"], message });
    if (mode === "ClusterCIDR" || mode === "NodeCIDR") {
      const wrong = values.find((text) => !storedCidr.safeParse(text).success);
      if (wrong !== undefined) complain(`"${wrong}" is not an address block such as 10.244.0.0/16`);
    } else if (mode !== "None") {
      const [name = "", ...more] = values;
      if (name === "" || name.length > INTERFACE_NAME || more.length > 0)
        complain(`should be one name of at most ${INTERFACE_NAME} characters, such as cni0, with mode ${mode}`);
    }
  });

const address = z.string().refine((text) => familyOf(text) !== undefined, {
  error: (issue) => `"${String(issue.input)}" is not an address, with or without a prefix length`,
});

const nodePortAddresses = z.union(
  [z.array(storedCidr), z.tuple([z.literal("primary")])],
  "should be a list of address blocks such as 192.168.0.0/24, or [primary]",
);

/** `note` is for readers. */
export const contextSchema = z
  .strictObject({
    note: z.string().optional(),
    nodeName: z.string().optional(),
    nodeIP: storedIp().optional(),
    ipFamily: z.enum(["IPv4", "IPv6"]).optional(),
    topologyLabels: labels.optional(),
    detectLocal: detectLocal.optional(),
    masqueradeAll: z.boolean().optional(),
    masqueradeBit: z.int().min(0).max(31).optional(),
    localhostNodePorts: z.boolean().optional(),
    nodePortAddresses: nodePortAddresses.optional(),
    interfaceAddresses: z.array(address).optional(),
    serviceCIDRs: z.array(storedCidr).optional(),
    ipvsScheduler: z.enum(SCHEDULERS, SCHEDULER_SENTENCE).optional(),
    conntrackTCPBeLiberal: z.boolean().optional(),
    nfacct: z.boolean().optional(),
    randomFully: z.boolean().optional(),
    kubelet: z.boolean().optional(),
  })
  .transform(({ note: _, nodePortAddresses: blocks, ...settings }): ProxyContext => {
    const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
    const context = proxyContext(given);
    return blocks === undefined ? context : { ...context, nodePortAddresses: resolvePrimary(blocks, context.nodeIP) };
  });

/** `primary` stands for the node's own address; without one, as with none at all, node ports are everywhere. */
function resolvePrimary(blocks: readonly string[], nodeIP: string): string[] {
  if (blocks[0] !== "primary") return [...blocks];
  return isLoopback(nodeIP) ? [] : [networkForm(nodeIP)];
}
