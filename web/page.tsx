// The whole page: what is chosen, and who is told of it.
import { useCallback, useState } from "preact/hooks";
import { formatCount, formatTime, plural } from "../src/report/format.ts";
import type { Picture } from "../src/report/picture.ts";
import { Latencies, Throughput } from "./charts.tsx";
import { Cluster } from "./cluster.tsx";
import { lostOf, share } from "./fate.ts";
import { Flows } from "./flows.tsx";
import { Backends, Drops, Events, Expectations, Processors, Rules } from "./tables.tsx";
import { WalkPanel, type Cursor } from "./walk.tsx";

const START: Cursor = { packet: 0, step: 0, playing: false };
const still = matchMedia("(prefers-reduced-motion: reduce)");

export function Page({ picture }: { picture: Picture }) {
  const [chosen, setChosen] = useState(() => firstOf(picture));
  const [cursor, setCursor] = useState<Cursor>(START);
  const choose = useCallback((line: number) => {
    setChosen(line);
    setCursor({ ...START, playing: !still.matches });
  }, []);
  const line = picture.lines[chosen];
  const packet = line?.walk?.packets[cursor.packet];
  const at = packet?.steps[cursor.step]?.at;
  const visited = packet ? packet.steps.slice(0, cursor.step + 1).map((step) => packet.places[step.at] ?? "") : [];
  return (
    <main>
      <Head picture={picture} />
      <Cluster
        picture={picture}
        chosen={chosen}
        onChoose={choose}
        packet={at === undefined ? undefined : packet?.places[at]}
        visited={visited}
      />
      <div class="split">
        <section aria-labelledby="flows">
          <h2 id="flows">Traffic</h2>
          <Flows picture={picture} chosen={chosen} onChoose={choose} />
        </section>
        <section aria-labelledby="walk">
          <h2 id="walk">{line ? <>One request of {line.name}</> : "No request"}</h2>
          {line && <WalkPanel line={line} cursor={cursor} onMove={setCursor} />}
        </section>
      </div>
      <div class="split even">
        <Throughput picture={picture} line={line} />
        <Latencies picture={picture} line={line} />
      </div>
      <div class="split even">
        <Drops picture={picture} />
        <Backends line={line} />
      </div>
      <Processors picture={picture} />
      <Expectations picture={picture} />
      <Events picture={picture} />
      <Rules picture={picture} />
      <footer>
        podwire {picture.podwire}. Everything here was counted and noted by the kernel that moved the packets.
      </footer>
    </main>
  );
}

/** The first line of which something did not come through, else the first of all. */
function firstOf({ lines }: Picture): number {
  const failed = lines.findIndex((line) => line.refused + lostOf(line) > 0);
  return Math.max(0, failed);
}

function Head({ picture }: { picture: Picture }) {
  const { scenario, cluster, lines, seed, durationNs, endNs, interrupted, frames, total } = picture;
  const sent = total.sent.at(-1) ?? 0;
  const delivered = total.delivered.at(-1) ?? 0;
  const refused = lines.reduce((sum, line) => sum + line.refused, 0);
  const lost = lines.reduce((sum, line) => sum + lostOf(line), 0);
  const tiles: [label: string, value: string, fate?: string][] = [
    ["requests", formatCount(sent)],
    ["answered", share(delivered, sent), "ok"],
    ["refused", formatCount(refused), refused > 0 ? "refused" : ""],
    ["lost", formatCount(lost), lost > 0 ? "lost" : ""],
    ["frames", formatCount(frames)],
  ];
  return (
    <header>
      <div>
        <h1>{scenario}</h1>
        <p>
          {plural(cluster.nodes, "node")}, {plural(cluster.pods, "pod")}, {plural(cluster.services, "Service")};{" "}
          {interrupted ? `${formatTime(endNs)} of ` : ""}
          {formatTime(durationNs)} of virtual time, seed {seed}
        </p>
      </div>
      <dl class="tiles">
        {tiles.map(([label, value, fate = ""]) => (
          <div key={label} class={fate}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </header>
  );
}
