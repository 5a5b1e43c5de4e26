// A followed request as the HTML page of a run shows it: the packet of the request and the first one of its answer, in the trace's words.
import type { PictureStep, PictureWalk, StepKind } from "../report/picture.ts";
import type { Step } from "../seam/trace.ts";
import type { LineResult } from "../seam/plan.ts";
import { outcomeOf } from "./outcome.ts";
import { endText, lineOf } from "./render.ts";
import { requestWalk, walksOf, type Walk } from "./walks.ts";

const PLAIN = { color: false, verbose: false };

const KINDS: Readonly<Partial<Record<Step["kind"], StepKind>>> = {
  receive: "receive",
  transmit: "transmit",
  bridge: "bridge",
  hook: "hook",
  rule: "rule",
  tracked: "conntrack",
  confirmed: "conntrack",
  nat: "nat",
  route: "route",
  neighbour: "neighbour",
  socket: "end",
  drop: "end",
};

/** What the page shows of the steps of one line; undefined if nothing of it moved. */
export function pictureWalk(
  line: LineResult | undefined,
  steps: readonly Step[],
  asksNames: boolean,
): PictureWalk | undefined {
  const walks = walksOf(steps);
  const request = requestWalk(walks, asksNames);
  if (!request) return undefined;
  const { outcome, sentence } = outcomeOf(line, walks, request);
  const answer = walks.slice(walks.indexOf(request) + 1).find((walk) => isAnswer(walk, request));
  const packets = [request, ...(answer ? [answer] : [])].map(packetOf);
  return { outcome: sentence, delivered: outcome === "delivered", packets };
}

/** Whether a packet begins elsewhere and comes to where the request began. */
function isAnswer(walk: Walk, request: Walk): boolean {
  const begin = request.steps[0]?.namespace;
  return walk.steps[0]?.namespace !== begin && walk.steps.at(-1)?.namespace === begin;
}

function packetOf({ summary, steps, end }: Walk): PictureWalk["packets"][number] {
  const places: string[] = [];
  const placeOf = (name: string): number => {
    const known = places.indexOf(name);
    return known < 0 ? places.push(name) - 1 : known;
  };
  const shown = steps.flatMap((step): PictureStep[] => {
    const { text, depth } = lineOf(step, PLAIN);
    if (text === undefined) return [];
    return [
      { at: placeOf(step.namespace), kind: KINDS[step.kind] ?? "other", depth, text: text.replace(/ {2,}/g, "  ") },
    ];
  });
  return { title: summary, end: endText(end), delivered: end.kind === "delivered", places, steps: shown };
}
