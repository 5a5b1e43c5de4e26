// What became of a traced request, in one word for programs and one sentence for people.
import { formatTime } from "../report/format.ts";
import type { LineResult } from "../seam/plan.ts";
import { endText } from "./render.ts";
import type { Walk } from "./walks.ts";

export interface Outcome {
  outcome: "delivered" | "refused" | "timed out" | "unresolved";
  /** The namespace that answered. */
  answeredBy?: string;
  latencyNs?: number;
  sentence: string;
}

/** The outcome of a line of one request; `walks` are those of its packets, `request` that of the request itself. */
export function outcomeOf(line: LineResult | undefined, walks: readonly Walk[], request: Walk | undefined): Outcome {
  if (line?.delivered) {
    const [answeredBy = ""] = Object.keys(line.backends);
    const latencyNs = line.latency?.max ?? 0;
    const sentence = `answered by ${answeredBy} after ${formatTime(latencyNs)}`;
    return { outcome: "delivered", answeredBy, latencyNs, sentence };
  }
  const end = request ? ` ${endText(request.end)}${lostAnswer(walks, request)}` : "";
  if (line?.refused) return { outcome: "refused", sentence: `refused.${end}` };
  if (line?.unresolved) return { outcome: "unresolved", sentence: "the name has no address" };
  return { outcome: "timed out", sentence: `no answer.${end}` };
}

/** Of a request that came through, and that all the same was not answered: what became of the first packet after it that did not. */
function lostAnswer(walks: readonly Walk[], request: Walk): string {
  if (request.end.kind !== "delivered") return "";
  const later = walks.slice(walks.indexOf(request) + 1);
  const lost = later.find(({ steps, end }) => steps[0]?.line !== undefined && end.kind === "dropped");
  return lost ? ` Then ${lost.summary}: ${endText(lost.end)}` : "";
}
