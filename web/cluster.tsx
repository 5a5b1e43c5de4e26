// The cluster as a picture: nodes with their bridges, pods and wires, the outside, and the traffic over it.
import { useMemo, useState } from "preact/hooks";
import { formatCount, plural } from "../src/report/format.ts";
import type { Picture, PictureLine } from "../src/report/picture.ts";
import { fateOf, lostOf, type Fate } from "./fate.ts";
import { framesOf, groupsOf, isLarge, type View } from "./groups.ts";
import { everything, layOut, WIDTH, type Layout, type PlacedMachine, type PlacedPlace, type Point } from "./layout.ts";

interface Arc {
  line: number;
  from: Point;
  to: Point;
  fate: Fate;
  requests: number;
  title: string;
}

/** More would be a blot. */
const MOST_ARCS = 260;

interface Props {
  picture: Picture;
  chosen: number;
  onChoose: (line: number) => void;
  /** Where the packet of the shown walk is, and where it has been. */
  packet: string | undefined;
  visited: readonly string[];
}

export function Cluster({ picture, chosen, onChoose, packet, visited }: Props) {
  const [view, setView] = useState<View>({ by: "nodes", path: [] });
  const groups = useMemo(() => groupsOf(picture, view), [picture, view]);
  const layout = useMemo(() => layOut(picture, groups), [picture, groups]);
  const arcs = useMemo(() => arcsOf(picture, layout), [picture, layout]);
  const open = (name: string): void => setView({ ...view, path: [...view.path, name] });
  const most = Math.max(1, ...arcs.map(({ requests }) => requests));
  const busiest = Math.max(1, ...layout.nodes.flatMap(({ places }) => places.map(({ frames }) => frames)));
  const width = (requests: number): number => 1 + 7 * Math.sqrt(requests / most);
  const shown = arcs.filter(({ line }) => line === chosen || (!layout.cells && !layout.tiles && !isLarge(picture)));
  const machines = everything(layout);
  const isTile = ({ machine: { role } }: PlacedMachine): boolean => layout.tiles && role === "node";
  const hottest = Math.max(1, ...layout.nodes.map(({ machine }) => framesOf(machine)));
  const dot = packet === undefined ? undefined : layout.positions.get(packet);
  const seen = new Set(visited);
  const { nodes, pods } = picture.cluster;
  return (
    <figure class="cluster" aria-label={`The cluster: ${plural(nodes, "node")}, ${plural(pods, "pod")}`}>
      {isLarge(picture) && <Zoom view={view} onView={setView} />}
      <svg viewBox={`0 0 ${WIDTH} ${layout.height}`} role="group">
        {layout.trunks.map(([a, b], i) => (
          <line key={i} class="trunk" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
        ))}
        {machines
          .filter((placed) => !isTile(placed))
          .map((placed) => (
            <Ground key={placed.machine.name} placed={placed} seen={seen.has(placed.machine.name)} />
          ))}
        <g class="arcs">
          {[...shown]
            .sort((a, b) => Number(a.line === chosen) - Number(b.line === chosen))
            .map((arc, i) => (
              <path
                key={i}
                class={`arc ${arc.fate} ${arc.line === chosen ? "chosen" : ""}`}
                d={curve(arc.from, arc.to)}
                stroke-width={width(arc.requests)}
                onClick={() => onChoose(arc.line)}
              >
                <title>{arc.title}</title>
              </path>
            ))}
        </g>
        {machines.map((placed) =>
          isTile(placed) ? (
            <Tile
              key={placed.machine.name}
              placed={placed}
              heat={framesOf(placed.machine) / hottest}
              onOpen={groups.opens ? open : undefined}
            />
          ) : (
            <Machine key={placed.machine.name} placed={placed} busiest={busiest} cells={layout.cells} seen={seen} />
          ),
        )}
        {dot && (
          <g class="packet" style={{ transform: `translate(${dot.x}px, ${dot.y}px)` }}>
            <circle class="halo" r="13" />
            <circle class="core" r="6" />
          </g>
        )}
      </svg>
      <figcaption>
        {layout.tiles
          ? `Each tile is a ${tileWord(view)}, the darker the more frames its pods sent and received; a click opens it.${groups.others > 0 ? ` The busiest; ${plural(groups.others, "other")} not shown.` : ""}`
          : layout.cells
            ? "Each square is a pod, the darker the more frames it sent and received."
            : "Wires are as wide as the frames on them, flows as the requests of a line."}{" "}
        <span class="key ok">answered</span> <span class="key refused">refused</span> <span class="key lost">lost</span>
      </figcaption>
    </figure>
  );
}

function tileWord({ by, path }: View): string {
  return by === "nodes" ? "node" : path.length === 0 ? "namespace" : "workload";
}

/** Chooses how a large cluster is looked at, and leads back out of what was opened. */
function Zoom({ view, onView }: { view: View; onView: (view: View) => void }) {
  return (
    <nav class="zoom" aria-label="view of the cluster">
      {(["nodes", "namespaces"] as const).map((by) => (
        <button key={by} aria-pressed={view.by === by} onClick={() => onView({ by, path: [] })}>
          {by}
        </button>
      ))}
      {view.path.map((name, i) => (
        <button
          key={name}
          class="crumb"
          aria-current={i === view.path.length - 1}
          onClick={() => onView({ ...view, path: view.path.slice(0, i + 1) })}
        >
          {name}
        </button>
      ))}
    </nav>
  );
}

/** A node or a group that stands for its pods. */
function Tile(props: { placed: PlacedMachine; heat: number; onOpen: ((name: string) => void) | undefined }) {
  const { machine, box } = props.placed;
  const open = (): void => props.onOpen?.(machine.name);
  const letters = Math.floor((box.width - 10) / 6.4);
  return (
    <g
      class="tile"
      role="button"
      tabIndex={0}
      data-name={machine.name}
      onClick={open}
      onKeyDown={({ key }) => {
        if (key === "Enter") open();
      }}
    >
      <rect {...box} rx="6" style={{ fillOpacity: 0.06 + 0.6 * Math.sqrt(props.heat) }}>
        <title>{`${machine.name}: ${plural(machine.places.length, "pod")}, ${formatCount(framesOf(machine))} frames`}</title>
      </rect>
      <text x={box.x + 6} y={box.y + box.height / 2 + 4}>
        {short(machine.name, letters)}
      </text>
    </g>
  );
}

function roleClass(role: string): string {
  return role.replace(" ", "-");
}

function short(text: string, letters: number): string {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}

/** What lies below the traffic: the machine itself with its bridge and wires. */
function Ground({ placed, seen }: { placed: PlacedMachine; seen: boolean }) {
  const { machine, box, card, spine } = placed;
  return (
    <g class={`machine ${roleClass(machine.role)} ${seen ? "seen" : ""}`}>
      <rect class="box" x={box.x} y={box.y} width={box.width} height={box.height} rx="10">
        <title>{`${machine.name} ${machine.address}: its cards sent ${plural(machine.sent, "frame")}`}</title>
      </rect>
      {spine && <line class="spine" x1={spine[0].x} y1={spine[0].y} x2={spine[1].x} y2={spine[1].y} />}
      {spine && <line class="trunk" x1={card.x} y1={box.y} x2={card.x} y2={spine[0].y} />}
    </g>
  );
}

/** What lies above it: names, cards and pods. */
function Machine(props: { placed: PlacedMachine; busiest: number; cells: boolean; seen: ReadonlySet<string> }) {
  const { placed, busiest, cells, seen } = props;
  const { machine, box, card, spine, places } = placed;
  const between = machine.role === "gateway" || machine.role === "load balancer";
  return (
    <g class={`machine ${roleClass(machine.role)}`} data-name={machine.name}>
      {places.map((place) => (
        <Place
          key={place.name}
          place={place}
          busiest={busiest}
          seen={seen.has(place.name)}
          cell={cells && machine.role === "node"}
        />
      ))}
      {between ? (
        <text class="name" x={card.x} y={card.y + 4} text-anchor="middle">
          {machine.role}
        </text>
      ) : (
        <text
          class="name"
          x={box.x + (cells ? 8 : 12)}
          y={box.y + (machine.role === "internet" ? 15 : cells ? 18 : 22)}
        >
          {machine.role === "internet" ? "outside" : machine.name}
        </text>
      )}
      {spine && (
        <>
          <rect class="card" x={card.x - 17} y={card.y - 9} width="34" height="18" rx="4" />
          <text class="device" x={card.x} y={card.y + 4} text-anchor="middle">
            eth0
          </text>
          <text class="address" x={box.x + box.width - 12} y={box.y + 22} text-anchor="end">
            {machine.address}
          </text>
        </>
      )}
    </g>
  );
}

function Place({ place, busiest, seen, cell }: { place: PlacedPlace; busiest: number; seen: boolean; cell: boolean }) {
  const { box, wire, label, name, address, frames, proxy } = place;
  const volume = Math.sqrt(frames / busiest);
  const letters = Math.floor((box.width - 14) / 6.4);
  return (
    <g class={`place ${seen ? "seen" : ""} ${cell ? "cell" : ""} ${proxy ? "proxy" : ""}`} data-name={name}>
      {wire && (
        <line class="wire" x1={wire[0].x} y1={wire[0].y} x2={wire[1].x} y2={wire[1].y} stroke-width={1 + 6 * volume} />
      )}
      <rect
        x={box.x}
        y={box.y}
        width={box.width}
        height={box.height}
        rx={cell ? 2 : 6}
        style={cell ? { fillOpacity: 0.12 + 0.88 * volume } : undefined}
      >
        <title>{`${name} ${address}${proxy ? ", an ingress controller" : ""}: ${formatCount(frames)} frames`}</title>
      </rect>
      {!cell && (
        <text x={box.x + 8} y={box.y + box.height / 2 + 4}>
          {short(label, letters)}
        </text>
      )}
    </g>
  );
}

/** From each source of a line to each who answered; what was not answered goes to where it ended, as far as that is known. */
function arcsOf(picture: Picture, { positions, elsewhere }: Layout): Arc[] {
  const at = (name: string): Point | undefined => positions.get(name) ?? elsewhere;
  const arcs = picture.lines.flatMap((line, index): Arc[] => {
    const sources = line.sources.flatMap((name) => at(name) ?? []);
    if (sources.length === 0) return [];
    const merged = new Map<string, Arc>();
    const add = (to: Point, fate: Fate, requests: number): void => {
      for (const from of sources) {
        if (from === to) continue;
        const key = `${fate} ${from.x} ${from.y} ${to.x} ${to.y}`;
        const known = merged.get(key);
        if (known) known.requests += requests / sources.length;
        else
          merged.set(key, { line: index, from, to, fate, requests: requests / sources.length, title: titleOf(line) });
      }
    };
    for (const [name, count] of line.backends) {
      const to = at(name);
      if (to) add(to, "ok", count);
    }
    const failed = line.refused + lostOf(line);
    const end = line.denied?.namespace ?? line.walk?.packets[0]?.places.at(-1);
    const to = end === undefined ? undefined : at(end);
    const fate = fateOf(line);
    if (failed > 0 && to && fate !== "ok") add(to, fate, failed);
    return [...merged.values()];
  });
  return arcs.sort((a, b) => b.requests - a.requests).slice(0, MOST_ARCS);
}

function titleOf({ name, sent, delivered }: PictureLine): string {
  return `${name}: ${formatCount(delivered)} of ${plural(sent, "request")} answered`;
}

/** Bent to one side, so that there and back are two. */
function curve(from: Point, to: Point): string {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const bend = 0.18;
  const middle = { x: (from.x + to.x) / 2 - dy * bend, y: (from.y + to.y) / 2 + dx * bend };
  return `M${from.x} ${from.y}Q${middle.x} ${middle.y} ${to.x} ${to.y}`;
}
