// The cluster as a picture: nodes with their bridges, pods and wires, the outside, and the traffic over it.
import { useMemo } from "preact/hooks";
import { formatCount, plural } from "../src/report/format.ts";
import type { Picture, PictureLine } from "../src/report/picture.ts";
import { fateOf, lostOf, type Fate } from "./fate.ts";
import { layOut, WIDTH, type Layout, type PlacedMachine, type PlacedPlace, type Point } from "./layout.ts";

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
  const layout = useMemo(() => layOut(picture), [picture]);
  const arcs = useMemo(() => arcsOf(picture, layout), [picture, layout]);
  const most = Math.max(1, ...arcs.map(({ requests }) => requests));
  const busiest = Math.max(1, ...layout.nodes.flatMap(({ places }) => places.map(({ frames }) => frames)));
  const width = (requests: number): number => 1 + 7 * Math.sqrt(requests / most);
  const shown = arcs.filter(({ line }) => line === chosen || !layout.cells);
  const machines = [layout.outside, layout.gateway, ...layout.nodes].filter((placed) => placed !== undefined);
  const dot = packet === undefined ? undefined : layout.positions.get(packet);
  const seen = new Set(visited);
  const { nodes, pods } = picture.cluster;
  return (
    <figure class="cluster" aria-label={`The cluster: ${plural(nodes, "node")}, ${plural(pods, "pod")}`}>
      <svg viewBox={`0 0 ${WIDTH} ${layout.height}`} role="group">
        {layout.trunks.map(([a, b], i) => (
          <line key={i} class="trunk" x1={a.x} y1={a.y} x2={b.x} y2={b.y} />
        ))}
        {machines.map((placed) => (
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
        {machines.map((placed) => (
          <Machine key={placed.machine.name} placed={placed} busiest={busiest} cells={layout.cells} seen={seen} />
        ))}
        {dot && (
          <g class="packet" style={{ transform: `translate(${dot.x}px, ${dot.y}px)` }}>
            <circle class="halo" r="13" />
            <circle class="core" r="6" />
          </g>
        )}
      </svg>
      <figcaption>
        {layout.cells
          ? "Each square is a pod, the darker the more frames it sent and received."
          : "Wires are as wide as the frames on them, flows as the requests of a line."}{" "}
        <span class="key ok">answered</span> <span class="key refused">refused</span> <span class="key lost">lost</span>
      </figcaption>
    </figure>
  );
}

/** What lies below the traffic: the machine itself with its bridge and wires. */
function Ground({ placed, seen }: { placed: PlacedMachine; seen: boolean }) {
  const { machine, box, card, spine } = placed;
  return (
    <g class={`machine ${machine.role} ${seen ? "seen" : ""}`}>
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
  const gateway = machine.role === "gateway";
  return (
    <g class={`machine ${machine.role}`} data-name={machine.name}>
      {places.map((place) => (
        <Place
          key={place.name}
          place={place}
          busiest={busiest}
          seen={seen.has(place.name)}
          cell={cells && machine.role === "node"}
        />
      ))}
      {gateway ? (
        <text class="name" x={card.x} y={card.y + 4} text-anchor="middle">
          gateway
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
  const { box, wire, label, name, address, frames } = place;
  const volume = Math.sqrt(frames / busiest);
  const letters = Math.floor((box.width - 14) / 6.4);
  return (
    <g class={`place ${seen ? "seen" : ""} ${cell ? "cell" : ""}`} data-name={name}>
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
        <title>{`${name} ${address}: ${formatCount(frames)} frames`}</title>
      </rect>
      {!cell && (
        <text x={box.x + 8} y={box.y + box.height / 2 + 4}>
          {label.length > letters ? `${label.slice(0, letters - 1)}…` : label}
        </text>
      )}
    </g>
  );
}

/** From each source of a line to each who answered; what was not answered goes to where it ended, as far as that is known. */
function arcsOf(picture: Picture, { positions }: Layout): Arc[] {
  const arcs = picture.lines.flatMap((line, index): Arc[] => {
    const sources = line.sources.flatMap((name) => positions.get(name) ?? []);
    if (sources.length === 0) return [];
    const arc = (from: Point, to: Point, fate: Fate, requests: number): Arc => {
      return { line: index, from, to, fate, requests, title: titleOf(line) };
    };
    const answered = line.backends.flatMap(([name, count]) => {
      const to = positions.get(name);
      return to ? sources.map((from) => arc(from, to, "ok", count / sources.length)) : [];
    });
    const failed = line.refused + lostOf(line);
    const end = line.denied?.namespace ?? line.walk?.packets[0]?.places.at(-1);
    const to = end === undefined ? undefined : positions.get(end);
    const fate = fateOf(line);
    const unanswered =
      failed > 0 && to && fate !== "ok" ? sources.map((from) => arc(from, to, fate, failed / sources.length)) : [];
    return [...answered, ...unanswered];
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
