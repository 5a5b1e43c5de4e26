// A session of the shell on an example, in this process: lines in, what it said and its status out.
import { join } from "node:path";
import type { ProxyMode } from "../../src/node/machine.ts";
import { parseDocuments } from "../../src/documents/document.ts";
import { readSources, type Sources } from "../../src/scenario/files.ts";
import { prepare } from "../../src/scenario/prepare.ts";
import { defaultScenario } from "../../src/scenario/schema.ts";
import { Emulation } from "../../src/shell/emulation.ts";
import { Session } from "../../src/shell/session.ts";
import { ROOT } from "../tools/podwire.ts";

export interface Said {
  out: string;
  err: string;
  status: number;
}

export interface Shell {
  session: Session;
  /** Runs a line, and tells what came of it. */
  run(line: string): Promise<Said>;
  /** The output of a line that has status 0 and no errors to tell. */
  out(line: string): Promise<string>;
}

/** Opens a session on an example, such as `walks/02-same-node`. */
export function shellOn(example: string): Shell {
  return shellOf(readSources([join(ROOT, "examples", example)]));
}

/** Opens a session on manifests. */
export function shellOnManifests(...manifests: readonly string[]): Shell {
  const documents = parseDocuments(manifests.join("\n---\n"), "manifests.yaml");
  return shellOf({ scenario: defaultScenario(), document: undefined, manifests: documents });
}

/** The same with kube-proxy in a mode. */
export function shellOfMode(proxyMode: ProxyMode, ...manifests: readonly string[]): Shell {
  const documents = parseDocuments(manifests.join("\n---\n"), "manifests.yaml");
  return shellOf({ scenario: defaultScenario(), document: undefined, manifests: documents }, proxyMode);
}

/** The same of a cluster of two families. */
export function dualShellOfMode(proxyMode: ProxyMode, ...manifests: readonly string[]): Shell {
  const scenario = defaultScenario();
  scenario.spec.cluster.ipFamily = "dual";
  const documents = parseDocuments(manifests.join("\n---\n"), "manifests.yaml");
  return shellOf({ scenario, document: undefined, manifests: documents }, proxyMode);
}

function shellOf(sources: Sources, proxyMode?: ProxyMode): Shell {
  const emulation = new Emulation(prepare(sources, { capture: [], outDir: "", proxyMode }));
  let said = { out: "", err: "" };
  const session = new Session(emulation, {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  const run = async (line: string): Promise<Said> => {
    said = { out: "", err: "" };
    await session.line(line);
    return { ...said, status: session.status };
  };
  return {
    session,
    run,
    out: async (line) => {
      const { out, err, status } = await run(line);
      if (status !== 0 || err !== "") throw new Error(`${line}: status ${status}\n${err}`);
      return out;
    },
  };
}
