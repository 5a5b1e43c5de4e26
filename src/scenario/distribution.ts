// Numbers that are drawn anew each time: how a scenario writes their distribution, for sizes and for times.
import { z } from "zod";
import type { Distribution } from "../seam/plan.ts";

/** A number, or a map with one key, the distribution's name. `value` reads one number. */
export function distribution(value: z.ZodType<number>) {
  const most = value.optional();
  const maps = z
    .strictObject({
      constant: value.optional(),
      uniform: z.strictObject({ min: value, max: value }).optional(),
      exponential: z.strictObject({ mean: value, max: most }).optional(),
      lognormal: z.strictObject({ median: value, sigma: z.number().min(0).max(10), max: most }).optional(),
      pareto: z.strictObject({ min: value, shape: z.number().min(0.1).max(100), max: most }).optional(),
    })
    .refine((one) => Object.values(one).filter((part) => part !== undefined).length === 1, {
      error: "should have one of constant, uniform, exponential, lognormal, pareto",
    })
    .refine(({ uniform }) => !uniform || uniform.min <= uniform.max, {
      path: ["uniform", "max"],
      error: "should not be less than min",
    });
  return z.unknown().transform((written, context): z.output<typeof maps> | number => {
    const isMap = typeof written === "object" && written !== null && !Array.isArray(written);
    const result = isMap ? maps.safeParse(written) : value.safeParse(written);
    if (result.success) return result.data;
    for (const issue of result.error.issues) context.issues.push({ ...issue, input: written } as z.core.$ZodRawIssue);
    return z.NEVER;
  });
}

type Written = z.output<ReturnType<typeof distribution>>;

/** What a scenario wrote as numbers that are never below `least` or above `most`. */
export function toDistribution(written: Written, least: number, most: number): Distribution {
  const of = (kind: Distribution["kind"], a: number, b = 0, max = most): Distribution => ({
    kind,
    a,
    b,
    least,
    most: Math.min(max, most),
  });
  if (typeof written === "number") return of("constant", written, 0, written);
  const { constant, uniform, exponential, lognormal, pareto } = written;
  if (uniform) return of("uniform", uniform.min, uniform.max, uniform.max);
  if (exponential) return of("exponential", exponential.mean, 0, exponential.max);
  if (lognormal) return of("lognormal", lognormal.median, lognormal.sigma, lognormal.max);
  if (pareto) return of("pareto", pareto.min, pareto.shape, pareto.max);
  return of("constant", constant ?? least, 0, constant);
}
