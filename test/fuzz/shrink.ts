// Makes a case that differs from Linux as short as it can be while it still differs: fewer steps, then fewer rules.

/** What of a case is left out to shorten it; the topology stays. */
export interface Script {
  steps: RawStep[];
  /** The lines of the files in `rules/`, by file name. */
  rules: Map<string, string[]>;
}

/** A step as inject.json has it; a reply may name the step whose frame it answers. */
export interface RawStep {
  op?: string;
  to?: { step?: number };
  [field: string]: unknown;
}

/**
 * The fewest of the items, in their order, for which `holds` still says yes: parts are left out, halves first, then ever
 * smaller ones, until no single one can be spared (delta debugging). `holds` is not asked about all of them, nor about none.
 */
export function least<T>(items: readonly T[], holds: (rest: T[]) => boolean): T[] {
  let kept = [...items];
  let size = Math.ceil(kept.length / 2);
  while (size >= 1 && kept.length > 1) {
    let spared = false;
    for (let at = kept.length - size; at > -size && kept.length > 1; at -= size) {
      const rest = [...kept.slice(0, Math.max(at, 0)), ...kept.slice(at + size)];
      if (rest.length === 0 || !holds(rest)) continue;
      kept = rest;
      spared = true;
    }
    if (size === 1 && !spared) return kept;
    if (!spared || size > kept.length) size = size === 1 ? 1 : Math.floor(size / 2);
  }
  return kept;
}

/** The steps at these indexes. Replies find the steps that they name at their new places; without those they go, too. */
export function keepSteps(steps: readonly RawStep[], indexes: readonly number[]): RawStep[] {
  const places = new Map<number, number>();
  const kept: RawStep[] = [];
  for (const index of indexes) {
    const step = steps[index];
    if (!step) continue;
    const named = step.to?.step;
    const place = named === undefined ? undefined : places.get(named);
    if (named !== undefined && place === undefined) continue;
    places.set(index, kept.length);
    kept.push(place === undefined ? step : { ...step, to: { ...step.to, step: place } });
  }
  return kept;
}

/** The shortest script for which `differs` still says yes. */
export function shrink(script: Script, differs: (shorter: Script) => boolean): Script {
  const all = script.steps.map((_, index) => index);
  const indexes = least(all, (rest) => differs({ ...script, steps: keepSteps(script.steps, rest) }));
  let shortest = { ...script, steps: keepSteps(script.steps, indexes) };
  for (const [file, lines] of script.rules) {
    const spare = lines.flatMap((line, index) => (/^(-A|add) /.test(line) ? [index] : []));
    if (spare.length === 0) continue;
    const without = (rest: readonly number[]): Script => {
      const kept = lines.filter((_, index) => !spare.includes(index) || rest.includes(index));
      return { ...shortest, rules: new Map([...shortest.rules, [file, kept]]) };
    };
    const none = without([]);
    shortest = differs(none) ? none : without(least(spare, (rest) => differs(without(rest))));
  }
  return shortest;
}
