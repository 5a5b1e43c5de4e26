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

/** The outcome of a line of one request, `request` being the walk of its first packet. */
export function outcomeOf(line: LineResult | undefined, request: Walk | undefined): Outcome {
  const end = request ? ` ${endText(request.end)}` : "";
  if (line?.delivered) {
    const [answeredBy = ""] = Object.keys(line.backends);
    const latencyNs = line.latency?.max ?? 0;
    const sentence = `answered by ${answeredBy} after ${formatTime(latencyNs)}`;
    return { outcome: "delivered", answeredBy, latencyNs, sentence };
  }
  if (line?.refused) return { outcome: "refused", sentence: `refused.${end}` };
  if (line?.unresolved) return { outcome: "unresolved", sentence: "the name has no address" };
  return { outcome: "timed out", sentence: `no answer.${end}` };
}
