// The links of a scenario: what it says of segments and of chosen devices, as settings of wires and ends of veth pairs.
import type { Document } from "../documents/document.ts";
import { globMatches } from "../seam/glob.ts";
import type { Machine, VethEnd, WireEnd } from "../seam/machine.ts";
import type { NetemConfig } from "../seam/netem.ts";
import type { LinksSpec } from "./schema.ts";

type SegmentLink = LinksSpec["nodes"];
type DeviceLink = LinksSpec["devices"][number];
/** Words of a link, of which any may be left out. */
type Words = Partial<Omit<DeviceLink, "devices" | "direction">>;

/** netem's own, where the link of a veth is said to have anything. */
const LIMIT = { packets: 1000 };
const LEAST_WIRE_NS = 1000;

/** An end of a link, and what is said of it. */
interface End {
  /** `<namespace>/<device>`. */
  name: string;
  end: VethEnd | WireEnd;
  /** Of a veth pair: its other end. */
  peer?: string;
  /** Of a wire: what its segment has. */
  segment?: SegmentLink;
}

/**
 * Sets links up on the wires and veths of the machines. Entries for devices come over what segments have, later ones over earlier ones,
 * word by word. Throws an InputError for devices that are not there, and for words that do not fit the device.
 */
export function setLinks(links: LinksSpec, document: Document | undefined, machines: readonly Machine[]): void {
  const ends = machines.flatMap((machine) => endsOf(machine, links));
  const chosen = links.devices.map((entry, i) => chooseEnds(entry, i, ends, document));
  for (const one of ends) {
    const { name, end, segment } = one;
    const words: Words = { ...segment };
    let at = -1;
    links.devices.forEach((entry, i) => {
      if (!chosen[i]?.has(name)) return;
      Object.assign(words, said(entry));
      at = i;
    });
    if (segment?.mtu !== undefined) end.mtu = segment.mtu;
    for (const { devices, mtu } of links.devices)
      if (mtu !== undefined && devices.some((glob) => globMatches(glob, name))) end.mtu = mtu;
    const path = ["spec", "links", "devices", at];
    if (segment && (words.latency ?? 0) < LEAST_WIRE_NS)
      document?.fail([...path, "latency"], `should be at least 1us for ${name}, which is on a wire`);
    if (words.reorder && (words.latency ?? 0) === 0)
      document?.fail(
        [...path, "reorder"],
        `should come with a latency for ${name}: only frames that wait can be overtaken`,
      );
    const netem = netemOf(words, segment);
    if (netem) end.netem = netem;
  }
}

/** The wire or the end of a veth pair of that name, `<namespace>/<device>`; undefined if there is none. */
export function findEnd(machines: readonly Machine[], wanted: string): VethEnd | WireEnd | undefined {
  return machines
    .flatMap(({ wires, veths }) => [...wires, ...veths.flatMap(({ a, b }) => [a, b])])
    .find((end) => nameOf(end) === wanted);
}

/** The sentence for a name, or a glob, that is of none. */
export function noSuchEnd(wanted: string): string {
  return `${wanted} is no wire and no end of a veth pair; they are like node-1/eth0 or default/frontend-0/eth0`;
}

function nameOf({ namespace, name }: VethEnd | WireEnd): string {
  return `${namespace}/${name}`;
}

function endsOf(machine: Machine, links: LinksSpec): End[] {
  const bySegment = new Map(Object.entries({ nodes: links.nodes, internet: links.internet }));
  const wires = machine.wires.map((end): End => {
    const segment = bySegment.get(end.segment);
    return { name: nameOf(end), end, ...(segment ? { segment } : {}) };
  });
  const veths = machine.veths.flatMap(({ a, b }): End[] => [
    { name: nameOf(a), end: a, peer: nameOf(b) },
    { name: nameOf(b), end: b, peer: nameOf(a) },
  ]);
  return [...wires, ...veths];
}

/** The names of the ends whose frames an entry is about: those that it names, or with `ingress` those at the other end. */
function chooseEnds(
  { devices, direction }: DeviceLink,
  i: number,
  ends: readonly End[],
  document: Document | undefined,
): Set<string> {
  const chosen = new Set<string>();
  devices.forEach((glob, j) => {
    const path = ["spec", "links", "devices", i, "devices", j];
    const found = ends.filter(({ name }) => globMatches(glob, name));
    if (found.length === 0) document?.fail(path, noSuchEnd(glob));
    for (const { name, peer } of found) {
      if (direction !== "ingress") chosen.add(name);
      if (direction === "egress") continue;
      if (peer === undefined)
        document?.fail(
          path,
          `${name} is on a wire, which is set for what a device sends; name the devices that send to it`,
        );
      else chosen.add(peer);
    }
  });
  return chosen;
}

/** What an entry says of a link. */
function said({ devices: _, direction: __, mtu: ___, ...words }: DeviceLink): Words {
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== undefined));
}

/** The link of words; undefined: it is as the segment has it, or as a veth is. */
function netemOf(words: Words, segment: SegmentLink | undefined): NetemConfig | undefined {
  const { latency = 0, rate, jitter, distribution, loss, duplicate, duplicateDelay, corrupt, reorder } = words;
  const limit = words.limit ?? (segment ? undefined : LIMIT);
  const impaired = [jitter, words.limit, loss, duplicate, corrupt, reorder].some((word) => word !== undefined);
  if (!impaired && latency === (segment?.latency ?? 0) && rate === segment?.rate) return undefined;
  return {
    latencyNs: latency,
    ...(rate === undefined ? {} : { rate }),
    ...(jitter ? { jitter: { ...jitter, ...(distribution ? { distribution } : {}) } } : {}),
    ...(limit ? { limit } : {}),
    ...(loss ? { loss } : {}),
    ...(duplicate ? { duplicate: { ...duplicate, delayNs: duplicateDelay ?? 0 } } : {}),
    ...(corrupt ? { corrupt } : {}),
    ...(reorder ? { reorder } : {}),
  };
}
