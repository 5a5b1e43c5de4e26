// Draws the walk of one packet as an SVG: a row for each interface that saw it, what was rewritten in between set off.
import type { Capture, CapturePacket } from "../tools/capture.ts";
import { decodeFrame } from "../tools/frame.ts";

interface Row {
  machine: string;
  device: string;
  arrow: string;
  time: string;
  /** Parts of the line about the packet, and whether each differs from the row before. */
  parts: { text: string; changed: boolean }[];
}

const WIDTH = 860;
const LINE = 30;
const TOP = 56;
const COLUMNS = { bar: 16, machine: 34, device: 150, time: 428, packet: 448 };

/** The picture of the packet with that id. Deterministic: the same capture gives the same text. */
export function walkPicture(capture: Capture, id: bigint, title: string): string {
  const rows = rowsOf(capture, id);
  const height = TOP + rows.length * LINE + 16;
  const bands = [...new Set(rows.map(({ machine }) => machine))];
  const body = rows.map((row, i) =>
    drawRow(row, TOP + i * LINE, rows[i - 1]?.machine !== row.machine, bands.indexOf(row.machine)),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img">
<title>${escape(title)}</title>
<style>
  svg { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
  .page { fill: #ffffff; stroke: #d0d7de; } .text { fill: #1f2328; } .faint { fill: #656d76; } .new { fill: #bc4c00; font-weight: 700; }
  .title { fill: #1f2328; font-weight: 600; } .band0 { fill: #0969da; } .band1 { fill: #8250df; } .band2 { fill: #1a7f37; } .band3 { fill: #bf3989; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; stroke: #30363d; } .text, .title { fill: #e6edf3; } .faint { fill: #8b949e; } .new { fill: #ffa657; }
    .band0 { fill: #58a6ff; } .band1 { fill: #bc8cff; } .band2 { fill: #56d364; } .band3 { fill: #ff7bc5; }
  }
</style>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>
<text class="title" x="${COLUMNS.bar}" y="30">${escape(title)}</text>
${body.join("\n")}
</svg>
`;
}

function rowsOf(capture: Capture, id: bigint): Row[] {
  const sightings = capture.packets.filter((packet) => packet.id === id);
  const start = sightings[0]?.time ?? 0n;
  return sightings.map((packet, i) => {
    const before = sightings[i - 1];
    const previous = before ? describe(before) : undefined;
    return {
      machine: machineOf(capture, packet),
      device: packet.device,
      arrow: packet.direction === "inbound" ? "→" : "←",
      time: `${(Number(packet.time - start) / 1e6).toFixed(3)} ms`,
      parts: describe(packet).map((text, j) => ({ text, changed: previous !== undefined && previous[j] !== text })),
    };
  });
}

/** The machine that an interface's description names: `pod default/web-0 on node-2`. */
function machineOf({ interfaces }: Capture, { interfaceId, device }: CapturePacket): string {
  const description = interfaces[interfaceId]?.description ?? "";
  return / on (\S+)$/.exec(description)?.[1] ?? device.split("/")[0] ?? "";
}

function describe({ bytes }: CapturePacket): string[] {
  const { ipv4, tcp, udp } = decodeFrame(bytes);
  const ports = tcp ?? udp;
  return [
    `${ipv4?.source}${ports ? `:${ports.sourcePort}` : ""}`,
    `${ipv4?.destination}${ports ? `:${ports.destinationPort}` : ""}`,
    `ttl ${ipv4?.ttl}`,
  ];
}

function drawRow({ machine, device, arrow, time, parts }: Row, y: number, first: boolean, band: number): string {
  const [source, destination, ttl] = parts.map(
    ({ text, changed }) => `<tspan class="${changed ? "new" : "text"}">${escape(text)}</tspan>`,
  );
  const base = y + 20;
  return [
    `<rect class="band${band % 4}" x="${COLUMNS.bar}" y="${y + (first ? 4 : 0)}" width="4" height="${LINE - (first ? 4 : 0)}"/>`,
    ...(first ? [`<text class="band${band % 4}" x="${COLUMNS.machine}" y="${base}">${escape(machine)}</text>`] : []),
    `<text x="${COLUMNS.device}" y="${base}"><tspan class="faint">${arrow} </tspan><tspan class="text">${escape(device)}</tspan></text>`,
    `<text class="faint" x="${COLUMNS.time}" y="${base}" text-anchor="end">${time}</text>`,
    `<text x="${COLUMNS.packet}" y="${base}">${source}<tspan class="faint"> > </tspan>${destination}<tspan class="faint">  </tspan>${ttl}</text>`,
  ].join("");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
