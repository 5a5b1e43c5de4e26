// What the picture of a cluster shows at once: every pod of a small one; of a large one nodes, or namespaces and their workloads, to zoom into.
import type { Picture, PictureMachine, PicturePlace } from "../src/report/picture.ts";

/** How a large cluster is looked at, and into what: a node, or a namespace and perhaps a workload of it. */
export interface View {
  by: "nodes" | "namespaces";
  path: readonly string[];
}

export interface Groups {
  machines: PictureMachine[];
  /** Groups that there is no room for. */
  others: number;
  /** Whether their pods are shown, or they stand for them as tiles. */
  inner: boolean;
  /** Whether a group can be zoomed into. */
  opens: boolean;
}

const MOST_PODS = 1000;
const MOST_TILES = 400;

export function isLarge({ machines }: Picture): boolean {
  return podsOf(machines) > MOST_PODS;
}

export function groupsOf(picture: Picture, { by, path }: View): Groups {
  const nodes = picture.machines.filter(({ role }) => role === "node");
  if (!isLarge(picture)) return { machines: nodes, others: 0, inner: true, opens: false };
  const [first, second] = path;
  if (by === "nodes") {
    const shown = first === undefined ? nodes : nodes.filter(({ name }) => name === first);
    return cut(shown, first !== undefined, first === undefined);
  }
  const places = nodes.flatMap((node) => node.places);
  if (first === undefined) return cut(gather(places, namespaceOf), false, true);
  const within = places.filter((place) => namespaceOf(place) === first);
  const workloads = gather(within, workloadOf);
  if (second === undefined) return cut(workloads, false, true);
  return cut(
    workloads.filter(({ name }) => name === second),
    true,
    false,
  );
}

/** The busiest, in their order. */
function cut(all: PictureMachine[], inner: boolean, opens: boolean): Groups {
  const busiest = new Set([...all].sort((a, b) => framesOf(b) - framesOf(a)).slice(0, MOST_TILES));
  return { machines: all.filter((one) => busiest.has(one)), others: all.length - busiest.size, inner, opens };
}

/** Groups of places by a name, as if they were machines. */
function gather(places: readonly PicturePlace[], nameOf: (place: PicturePlace) => string): PictureMachine[] {
  const groups = new Map<string, PicturePlace[]>();
  for (const place of places) {
    const own = groups.get(nameOf(place));
    if (own) own.push(place);
    else groups.set(nameOf(place), [place]);
  }
  return [...groups].map(([name, own]) => {
    const sent = own.reduce((sum, place) => sum + place.sent, 0);
    return { name, role: "node", address: "", sent, places: own };
  });
}

/** Frames of all pods of a group. */
export function framesOf({ places }: PictureMachine): number {
  return places.reduce((sum, { sent, received }) => sum + sent + received, 0);
}

function podsOf(machines: readonly PictureMachine[]): number {
  return machines.reduce((sum, { role, places }) => sum + (role === "node" ? places.length : 0), 0);
}

function namespaceOf({ name }: PicturePlace): string {
  return name.slice(0, name.indexOf("/"));
}

/** Pods of a workload have its name and a number, or a word, behind it. */
function workloadOf({ name }: PicturePlace): string {
  return name.slice(name.indexOf("/") + 1).replace(/-[^-]+$/, "");
}
