// docs/scenario.md and the schema say the same: every field is there, nothing else is, and the defaults are those.
import { expect, test } from "vitest";
import type { z } from "zod";
import { expectationSchema, reachSchema, scenarioSchema } from "../../src/scenario/schema.ts";
import { projectFiles } from "../structure/tree.ts";

const pages = new Map(projectFiles("docs", ".md").map(({ path, text }) => [path, text]));
const PAGE = pages.get("docs/scenario.md") ?? "";
/** What a scenario says of load balancers, of who reaches whom and of traffic has pages of its own. */
const ALL = ["scenario", "load-balancers", "policies", "saturation", "traffic"]
  .map((name) => pages.get(`docs/${name}.md`))
  .join("\n");

interface Field {
  /** `spec.cluster.nodes` */
  path: string;
  name: string;
  schema: z.core.$ZodType;
}

type Def = z.core.$ZodTypeDef & Partial<Record<"innerType" | "element" | "in" | "valueType", z.core.$ZodType>> & {
    shape?: Record<string, z.core.$ZodType>;
    options?: z.core.$ZodType[];
  }; // prettier-ignore

/** The fields that a schema's maps have, from the outside in. */
function fieldsOf(schema: z.core.$ZodType, path: string): Field[] {
  const def = schema._zod.def as Def;
  const own = Object.entries(def.shape ?? {}).flatMap(([name, field]) => [
    { path: `${path}.${name}`, name, schema: field },
    ...fieldsOf(field, `${path}.${name}`),
  ]);
  const inner = [def.innerType, def.element, def.in, ...(def.options ?? [])];
  return [...own, ...inner.flatMap((one) => (one ? fieldsOf(one, path) : []))];
}

const fields = [
  ...fieldsOf(scenarioSchema, "scenario"),
  ...fieldsOf(expectationSchema, "scenario.spec.expect"),
  ...fieldsOf(reachSchema, "scenario.spec.expect"),
];

/** What stands in code on the pages, inline or in blocks. */
const code = [...ALL.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([text]) => text).join("\n");

test("the schema has fields", () => {
  const paths = fields.map(({ path }) => path);
  expect(paths).toEqual(
    expect.arrayContaining(["scenario.spec.seed", "scenario.spec.links.nodes.latency", "scenario.spec.cluster.nodes.name"]),
  ); // prettier-ignore
  expect(paths.length).toBeGreaterThan(90);
});

test.each(fields.filter(({ path }) => !path.startsWith("scenario.metadata.")))(
  "$path is in the reference",
  ({ name }) => {
    expect(code).toMatch(new RegExp(`\\b${name}\\b`));
  },
);

/** The tables of fields: each below its heading, which is the path that the fields have. */
const SECTIONS = new Map([
  ["## spec", "scenario.spec"],
  ["## cluster", "scenario.spec.cluster"],
  ["### network", "scenario.spec.cluster.network"],
  ["## traffic", "scenario.spec.traffic"],
]);

interface Row {
  path: string;
  said: string;
}

const rows = [...SECTIONS].flatMap(([heading, path]): Row[] => {
  const [, section = ""] = PAGE.split(`\n${heading}\n`);
  const [before = ""] = section.split(/\n##/);
  return [...before.matchAll(/^\| (`.+?`) +\| (.*?) +\|/gm)].flatMap(([, names = "", said = ""]) =>
    [...names.matchAll(/`(\w+)`/g)].map(([, name = ""]) => ({ path: `${path}.${name}`, said })),
  );
});

test("every field of a table is in the schema, and every field of its map in the table", () => {
  const inTables = rows.map(({ path }) => path).sort();
  const maps = [...SECTIONS.values()];
  const inSchema = fields.map(({ path }) => path).filter((path) => maps.includes(path.replace(/\.\w+$/, "")));
  expect(inTables).toEqual([...new Set(inSchema)].sort());
});

/** Defaults of the tables, and those that stand in brackets behind a name: `mode` (routes). */
const said: Row[] = [
  ...rows,
  ...[...ALL.matchAll(/`(\w+)` \(([\w.]+)\)/g)].flatMap(([, name, value = ""]) =>
    fields.filter((field) => field.name === name && hasDefault(field)).map(({ path }) => ({ path, said: value })),
  ),
];

function hasDefault({ schema }: Field): boolean {
  return (schema._zod.def as Def).type === "default";
}

test.each(
  said.flatMap(({ path, said }) => fields.filter((field) => field.path === path && hasDefault(field)).map((field) => ({ ...field, said }))),
)("$path is $said unless it is given", ({ schema, said }) => {
  const parse = (value: unknown): unknown => (schema as z.ZodType).safeParse(value).data;
  const read = /^(true|false|\d+)$/.test(said) ? (JSON.parse(said) as unknown) : said;
  const none = said === "none" ? [[], {}] : [];
  expect([parse(read), ...none]).toContainEqual(parse(undefined));
}); // prettier-ignore
