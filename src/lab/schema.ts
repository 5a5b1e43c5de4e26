// The files of a case: topology.json, the network, and inject.json, what happens in it. Checked field by field.
import { z } from "zod";
import { parseIpv4, parseMac } from "../address.ts";
import { isAddress, isBlock } from "./family.ts";

const name = z.string().min(1);
const device = z.string().min(1).max(15);
const mac = z.string().refine((text) => parseMac(text) !== undefined, "should be a MAC address: 02:00:0a:00:00:01");
const address4 = z.string().refine((text) => parseIpv4(text) !== undefined, "should be an IPv4 address: 10.0.0.1");
const address = z.string().refine(isAddress, "should be an address: 10.0.0.1 or fd00::1");
const cidr = z.string().refine(isBlock, "should be a block: 10.0.0.0/24 or fd00::/64");
const network = z.string().refine((text) => text === "default" || isBlock(text), {
  error: "should be default or a block: 10.0.0.0/24 or fd00::/64",
});
const at = z.string().regex(/^[^:]+:[^:]+$/, "should be NAMESPACE:INTERFACE");
const hex = z.string().regex(/^([0-9a-f]{2})*$/i, "should be bytes in hexadecimal");
const setting = z.union([z.string(), z.number(), z.boolean()]);
const port = z.int().min(1).max(65535);
const milliseconds = z.number().min(0);

const linkEnd = z.strictObject({
  ns: name,
  if: device,
  mac,
  mtu: z.int().min(68).default(1500),
  capture: z.boolean().default(true),
});

const bridgePort = z.strictObject({
  if: device,
  hairpin: z.boolean().optional(),
  isolated: z.boolean().optional(),
  learning: z.boolean().optional(),
  flood: z.boolean().optional(),
  mcast_flood: z.boolean().optional(),
  bcast_flood: z.boolean().optional(),
});

export const topologySchema = z.strictObject({
  namespaces: z.array(
    z.strictObject({
      name,
      kind: z.enum(["kernel", "stub"]).default("kernel"),
      ipv6: z.boolean().default(false),
      sysctl: z.record(z.string(), setting).default({}),
      iptables: z.enum(["legacy", "nft"]).default("legacy"),
      listen: z
        .array(
          z.strictObject({
            proto: z.enum(["tcp", "udp"]),
            port,
            addr: address.optional(),
            echo: z.boolean().default(false),
            backlog: z.int().min(0).max(65535).optional(),
            accept: z.boolean().default(true),
            take: z.int().min(1).optional(),
          }),
        )
        .default([]),
    }),
  ),
  links: z.array(z.strictObject({ a: linkEnd, b: linkEnd })).default([]),
  bridges: z
    .array(
      z.strictObject({
        ns: name,
        name: device,
        mac,
        ports: z.array(z.union([device, bridgePort])).default([]),
        mtu: z.int().min(68).optional(),
        ageing_ms: milliseconds.optional(),
        group_fwd_mask: z.int().min(0).max(65535).default(0),
        mcast_snooping: z.boolean().default(false),
        capture: z.boolean().default(true),
      }),
    )
    .default([]),
  vxlan: z
    .array(
      z.strictObject({
        ns: name,
        name: device,
        mac,
        vni: z.int().min(0).max(0xffffff),
        port: z.int().min(1).max(65535).default(8472),
        local: address4.optional(),
        remote: address4.optional(),
        dev: device.optional(),
        mtu: z.int().min(68).default(1450),
        learning: z.boolean().default(false),
        ttl: z.int().min(0).max(255).optional(),
        tos: z.int().min(0).max(255).optional(),
        df: z.enum(["unset", "set", "inherit"]).optional(),
        capture: z.boolean().default(true),
      }),
    )
    .default([]),
  addresses: z
    .array(
      z.strictObject({
        ns: name,
        dev: device,
        cidr,
        scope: z.string().optional(),
        broadcast: z.string().optional(),
        peer: z.string().optional(),
      }),
    )
    .default([]),
  routes: z
    .array(
      z.strictObject({
        ns: name,
        dst: network,
        type: z.enum(["unicast", "blackhole", "unreachable", "prohibit"]).default("unicast"),
        via: address.optional(),
        dev: device.optional(),
        src: address.optional(),
        metric: z.int().min(0).default(0),
        table: z.union([z.string(), z.number()]).optional(),
        mtu: z.int().min(68).optional(),
        onlink: z.boolean().default(false),
      }),
    )
    .default([]),
  ip_rules: z.array(z.strictObject({ ns: name, rule: z.string() })).default([]),
  neigh: z.array(z.strictObject({ ns: name, dev: device, ip: address, mac })).default([]),
  fdb: z
    .array(
      z.strictObject({
        ns: name,
        dev: device,
        mac,
        state: z.enum(["static", "permanent", "dynamic", "local"]).default("static"),
        dst: address4.optional(),
      }),
    )
    .default([]),
  down: z.array(at).default([]),
  capture: z.array(at).optional(),
});

export type Topology = z.output<typeof topologySchema>;

const step = { about: z.string().optional(), quiet_ms: milliseconds.optional(), wait_ms: milliseconds.default(0) };

/** Which frame a reply answers: `step` counts from the reply back if it is negative, `at` may be a glob or several. */
const replyTo = z.strictObject({
  step: z.int().default(-1),
  at: z.union([z.string(), z.array(z.string())]).default("*"),
  dir: z.enum(["in", "out"]).default("in"),
  nth: z.int().default(-1),
  proto: z.int().min(0).max(255).optional(),
});

const word16 = z.int().min(0).max(0xffff);
const byte = z.int().min(0).max(255);

/** What a reply carries besides what it takes from the frame that it answers. */
const replyWith = z.strictObject({
  flags: z
    .string()
    .regex(/^[FSRPAUEC]*$/, "should be letters of FSRPAUEC")
    .default("A"),
  seq: z.int().optional(),
  seq_add: z.int().default(0),
  ack_add: z.int().default(0),
  window: word16.default(64240),
  options: hex.default(""),
  sack: z
    .array(z.tuple([z.int(), z.int()]))
    .max(4)
    .default([]),
  payload: hex.default(""),
  id: word16.default(1),
  /** Left out: 64, and 255 of an advertisement. */
  ttl: byte.optional(),
  df: z.boolean().default(false),
  tos: byte.default(0),
  src: address.optional(),
  mac: mac.optional(),
  icmp_error: z
    .strictObject({ type: byte, code: byte, rest: z.int().min(0).default(0), quote: z.int().min(0).optional() })
    .optional(),
  arp: mac.optional(),
  /** The link-layer address that an advertisement of IPv6 tells, and its flags. */
  na: mac.optional(),
  na_flags: z
    .string()
    .regex(/^[RSO]*$/, "should be letters of RSO")
    .default("SO"),
  vxlan: z.boolean().default(false),
  vxlan_sport: word16.default(40000),
  vxlan_id: word16.default(1),
});

export type ReplyWith = z.output<typeof replyWith>;

const stepSchema = z.union([
  z.strictObject({ ...step, op: z.literal("inject").default("inject"), at, hex }),
  z.strictObject({ ...step, op: z.literal("inject").default("inject"), at, pcap: z.int().min(0) }),
  z.strictObject({
    ...step,
    op: z.literal("reply"),
    to: replyTo.prefault({}),
    with: replyWith.prefault({}),
    from: at.optional(),
  }),
  z.strictObject({ ...step, op: z.literal("local"), ns: name, hex }),
  z.strictObject({ ...step, op: z.literal("wait"), ms: milliseconds }),
  z.strictObject({ ...step, op: z.literal("connect"), ns: name, to: address, port, from: port }),
  z.strictObject({
    ...step,
    op: z.literal("link"),
    at,
    state: z.enum(["up", "down"]),
    carrier: z.boolean().default(true),
  }),
  z.strictObject({ ...step, op: z.literal("sysctl"), ns: name, key: z.string(), value: setting }),
  z.strictObject({ ...step, op: z.literal("restore"), ns: name, file: z.string(), flush: z.boolean().default(false) }),
  z.strictObject({ ...step, op: z.enum(["conntrack", "ip", "bridge"]), ns: name, args: z.string() }),
]);

export type Step = z.output<typeof stepSchema>;
export type ReplyStep = Extract<Step, { op: "reply" }>;

const steps = z.array(stepSchema);

/** `{"quiet_ms": 20, "steps": [...]}`, or the bare list. */
export const injectSchema = z.union([
  z.strictObject({ quiet_ms: milliseconds.default(20), steps }),
  steps.transform((list) => ({ quiet_ms: 20, steps: list })),
]);

export type Script = z.output<typeof injectSchema>;
