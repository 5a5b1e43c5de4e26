// Where everything of the cluster stands in the picture. A few nodes show every pod with its name and wire, many nodes show pods as cells.
import type { Picture, PictureMachine } from "../src/report/picture.ts";
import type { Groups } from "./groups.ts";

export const WIDTH = 1200;

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  width: number;
  height: number;
}

export interface PlacedPlace {
  name: string;
  label: string;
  address: string;
  frames: number;
  proxy: boolean;
  box: Box;
  /** Its wire, from its edge to where it ends. */
  wire: [Point, Point] | undefined;
}

export interface PlacedMachine {
  machine: PictureMachine;
  box: Box;
  /** Where its network card is. */
  card: Point;
  /** The bridge of a node with wires. */
  spine: [Point, Point] | undefined;
  places: PlacedPlace[];
}

export interface Layout {
  /** Pods are squares without names. */
  cells: boolean;
  /** Nodes, or groups of pods, stand for the pods in them. */
  tiles: boolean;
  height: number;
  nodes: PlacedMachine[];
  outside: PlacedMachine | undefined;
  gateway: PlacedMachine | undefined;
  balancer: PlacedMachine | undefined;
  /** The wires between machines. */
  trunks: [Point, Point][];
  /** Where a namespace is. */
  positions: Map<string, Point>;
  /** Where all are that the view leaves out; undefined if it leaves out none. */
  elsewhere: Point | undefined;
}

const GAP = 16;
const CHIP = { height: 26, gap: 10 };
const MOST_WIRED = 200;
const MOST_WIRED_NODES = 12;
const OUTSIDE = { top: 4, height: 66 };
const TILE = { height: 34, gap: 6, fewest: 5, most: 16 };
const GATEWAY_Y = 108;
const BALANCER_X = WIDTH / 2 + 190;
const BUS_Y = 148;
const NODES_Y = 172;
const HEAD = 44;

/** The places of everything: `groups` is what is shown of the nodes. */
export function layOut({ machines }: Picture, { machines: nodes, inner }: Groups): Layout {
  const pods = nodes.reduce((sum, { places }) => sum + places.length, 0);
  const cells = inner && (pods > MOST_WIRED || nodes.length > MOST_WIRED_NODES);
  const placed = inner ? placeNodes(nodes, cells) : placeTiles(nodes);
  const bottom = Math.max(NODES_Y, ...placed.map(({ box }) => box.y + box.height));
  const withRole = (role: PictureMachine["role"]): PictureMachine | undefined =>
    machines.find((machine) => machine.role === role);
  const [gateway, balancer, outside] = [withRole("gateway"), withRole("load balancer"), withRole("internet")];
  const all = machines.filter(({ role }) => role === "node").reduce((sum, { places }) => sum + places.length, 0);
  const layout: Layout = {
    cells,
    tiles: !inner,
    height: bottom + 8,
    nodes: placed,
    outside: outside && placeOutside(outside),
    gateway: gateway && placeBetween(gateway, WIDTH / 2, 120),
    balancer: balancer && placeBetween(balancer, BALANCER_X, 140),
    trunks: [
      ...(balancer
        ? [
            vertical(BALANCER_X, OUTSIDE.top + OUTSIDE.height, BUS_Y),
            [
              { x: WIDTH / 2, y: BUS_Y },
              { x: BALANCER_X, y: BUS_Y },
            ] satisfies [Point, Point],
          ]
        : []),
      ...trunksOf(placed, outside !== undefined, inner),
    ],
    positions: new Map(),
    elsewhere: pods < all ? { x: WIDTH / 2, y: BUS_Y } : undefined,
  };
  // A tile is where all its pods are.
  if (!inner)
    for (const { machine, card } of placed) for (const { name } of machine.places) layout.positions.set(name, card);
  for (const { machine, card, places } of everything(layout)) {
    layout.positions.set(machine.name, card);
    for (const { name, box } of places)
      layout.positions.set(name, { x: box.x + box.width / 2, y: box.y + box.height / 2 });
  }
  return layout;
}

/** All machines, those outside first. */
export function everything({ outside, gateway, balancer, nodes }: Layout): PlacedMachine[] {
  return [outside, gateway, balancer, ...nodes].filter((placed) => placed !== undefined);
}

/** A machine between the nodes and the outside. */
function placeBetween(machine: PictureMachine, x: number, width: number): PlacedMachine {
  const box = { x: x - width / 2, y: GATEWAY_Y - 14, width, height: 28 };
  return { machine, box, card: { x, y: GATEWAY_Y }, spine: undefined, places: [] };
}

function vertical(x: number, from: number, to: number): [Point, Point] {
  return [
    { x, y: from },
    { x, y: to },
  ];
}

/** The last part of a pod's name path: `frontend-0` of `shop/frontend-0`. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function placeNodes(nodes: readonly PictureMachine[], cells: boolean): PlacedMachine[] {
  const rows = cells ? Math.ceil(Math.sqrt(nodes.length / 2)) : Math.ceil(nodes.length / 5);
  const perRow = Math.max(1, Math.ceil(nodes.length / Math.max(1, rows)));
  const width = (WIDTH - (perRow - 1) * GAP) / perRow;
  const placed: PlacedMachine[] = [];
  let y = NODES_Y;
  for (let first = 0; first < nodes.length; first += perRow) {
    const row = nodes.slice(first, first + perRow);
    const made = row.map((machine, i) => {
      const at = { x: i * (width + GAP), y, width };
      return cells ? placeCells(machine, at) : placeWired(machine, at);
    });
    const height = Math.max(...made.map(({ box }) => box.height));
    for (const { box, spine } of made) {
      box.height = height;
      if (spine) spine[1].y = y + height - 12;
    }
    placed.push(...made);
    y += height + (cells ? 30 : 44);
  }
  return placed;
}

/** Groups of equal size, in rows. */
function placeTiles(groups: readonly PictureMachine[]): PlacedMachine[] {
  const perRow = Math.min(TILE.most, Math.max(TILE.fewest, Math.ceil(Math.sqrt(groups.length * 2))));
  const width = (WIDTH - (perRow - 1) * TILE.gap) / perRow;
  return groups.map((machine, i) => {
    const x = (i % perRow) * (width + TILE.gap);
    const y = NODES_Y + Math.floor(i / perRow) * (TILE.height + TILE.gap);
    const box = { x, y, width, height: TILE.height };
    return { machine, box, card: { x: x + width / 2, y: y + TILE.height / 2 }, spine: undefined, places: [] };
  });
}

/** Pods on both sides of the bridge. */
function placeWired(machine: PictureMachine, at: { x: number; y: number; width: number }): PlacedMachine {
  const center = at.x + at.width / 2;
  const chipWidth = Math.min(220, at.width / 2 - 40);
  const places = machine.places.map(({ name, address, sent, received, proxy = false }, i): PlacedPlace => {
    const left = i % 2 === 0;
    const y = at.y + HEAD + 14 + Math.floor(i / 2) * (CHIP.height + CHIP.gap);
    const x = left ? at.x + 12 : at.x + at.width - 12 - chipWidth;
    const middle = y + CHIP.height / 2;
    return {
      name,
      label: shortName(name),
      address,
      frames: sent + received,
      proxy,
      box: { x, y, width: chipWidth, height: CHIP.height },
      wire: [
        { x: left ? x + chipWidth : x, y: middle },
        { x: center, y: middle },
      ],
    };
  });
  const rows = Math.max(1, Math.ceil(places.length / 2));
  const height = HEAD + 24 + rows * (CHIP.height + CHIP.gap);
  return {
    machine,
    box: { ...at, height },
    card: { x: center, y: at.y + 18 },
    spine: [
      { x: center, y: at.y + HEAD },
      { x: center, y: at.y + height - 12 },
    ],
    places,
  };
}

/** Pods as squares. */
function placeCells(machine: PictureMachine, at: { x: number; y: number; width: number }): PlacedMachine {
  const inner = at.width - 16;
  const columns = Math.max(4, Math.min(Math.floor(inner / 10), Math.ceil(Math.sqrt(machine.places.length * 2))));
  const step = Math.min(14, inner / columns);
  const places = machine.places.map(({ name, address, sent, received, proxy = false }, i): PlacedPlace => ({
    name,
    label: "",
    address,
    frames: sent + received,
    proxy,
    box: {
      x: at.x + 8 + (i % columns) * step,
      y: at.y + 28 + Math.floor(i / columns) * step,
      width: step - 2,
      height: step - 2,
    },
    wire: undefined,
  }));
  const height = 36 + Math.ceil(places.length / columns) * step;
  return { machine, box: { ...at, height }, card: { x: at.x + at.width / 2, y: at.y + 12 }, spine: undefined, places };
}

function placeOutside(machine: PictureMachine): PlacedMachine {
  const shown = machine.places.slice(0, 10);
  const width = Math.min(190, (WIDTH - 40) / Math.max(1, shown.length) - GAP);
  const total = shown.length * (width + GAP) - GAP;
  const card = { x: WIDTH / 2, y: OUTSIDE.top + OUTSIDE.height };
  const places = shown.map(({ name, address, sent, received, proxy = false }, i): PlacedPlace => {
    const x = (WIDTH - total) / 2 + i * (width + GAP);
    const box = { x, y: OUTSIDE.top + 20, width, height: CHIP.height };
    return {
      name,
      label: shortName(name),
      address,
      frames: sent + received,
      proxy,
      box,
      wire: [{ x: x + width / 2, y: box.y + box.height }, card],
    };
  });
  return {
    machine,
    box: { x: 0, y: OUTSIDE.top, width: WIDTH, height: OUTSIDE.height },
    card,
    spine: undefined,
    places,
  };
}

/** From the outside to the nodes; not on to tiles, which are too many or no machines. */
function trunksOf(nodes: readonly PlacedMachine[], hasOutside: boolean, toNodes: boolean): [Point, Point][] {
  if (nodes.length === 0) return [];
  const rows = new Map<number, PlacedMachine[]>();
  for (const node of nodes) rows.set(node.box.y, [...(rows.get(node.box.y) ?? []), node]);
  const trunks = hasOutside ? [vertical(WIDTH / 2, OUTSIDE.top + OUTSIDE.height, BUS_Y)] : [];
  if (!toNodes) return trunks;
  let last = BUS_Y;
  for (const [top, row] of rows) {
    const y = top === NODES_Y ? BUS_Y : top - 14;
    const ends = [...row.map(({ card }) => card.x), ...(top === NODES_Y ? [WIDTH / 2] : [4])];
    trunks.push([
      { x: Math.min(...ends, ...(rows.size > 1 ? [4] : [])), y },
      { x: Math.max(...ends), y },
    ]);
    for (const { card, box } of row)
      trunks.push([
        { x: card.x, y },
        { x: card.x, y: box.y },
      ]);
    if (y !== last)
      trunks.push([
        { x: 4, y: last },
        { x: 4, y },
      ]);
    last = y;
  }
  return trunks;
}
