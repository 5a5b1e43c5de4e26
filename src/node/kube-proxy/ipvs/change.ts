// What a sync of kube-proxy in ipvs mode tells the kernel: only what is other than after the sync before.
import type { IpvsChange, IpvsConfig, RealServer, VirtualService } from "../../../seam/ipvs.ts";

/** From what one sync has left behind to what the next one wants; undefined if that is the same. */
export function ipvsChange(before: IpvsConfig, after: IpvsConfig): IpvsChange | undefined {
  const addresses = difference(before.addresses, after.addresses);
  const sets = setsChange(before.sets, after.sets);
  const { put, removed, leaves } = servicesChange(before.services, after.services);
  const lists = [addresses.added, addresses.removed, put, removed];
  if (lists.every((list) => list.length === 0) && sets.added === "" && sets.removed === "") return undefined;
  return { addresses, put, removed, sets, leaves };
}

/** What is left of two lists without what is the same at their heads and their ends. */
function middle<T>(before: readonly T[], after: readonly T[], same: (a: T, b: T) => boolean): [T[], T[]] {
  const most = Math.min(before.length, after.length);
  const isSame = (i: number, j: number): boolean => {
    const [a, b] = [before[i], after[j]];
    return a !== undefined && b !== undefined && same(a, b);
  };
  let head = 0;
  while (head < most && isSame(head, head)) head += 1;
  let end = 0;
  while (end < most - head && isSame(before.length - 1 - end, after.length - 1 - end)) end += 1;
  return [before.slice(head, before.length - end), after.slice(head, after.length - end)];
}

function difference(before: readonly string[], after: readonly string[]): { added: string[]; removed: string[] } {
  const [old, fresh] = middle(before, after, (a, b) => a === b);
  const [had, has] = [new Set(old), new Set(fresh)];
  return { added: fresh.filter((one) => !had.has(one)), removed: old.filter((one) => !has.has(one)) };
}

/** Elements that come and go, as `ipset save` text of the sets that they are in. */
function setsChange(before: string, after: string): IpvsChange["sets"] {
  if (before === after) return { added: "", removed: "" };
  const lines = after.split("\n");
  const { added, removed } = difference(before.split("\n"), lines);
  const creates = new Map(lines.filter((line) => line.startsWith("create ")).map((line) => [line.split(" ")[1], line]));
  const textOf = (elements: readonly string[]): string => {
    const bySet = new Map<string, string[]>();
    for (const line of elements) {
      const name = line.split(" ")[1] ?? "";
      const known = bySet.get(name);
      if (known) known.push(line);
      else bySet.set(name, [creates.get(name) ?? "", line]);
    }
    return [...bySet.values()]
      .flat()
      .map((line) => `${line}\n`)
      .join("");
  };
  return { added: textOf(added), removed: textOf(removed) };
}

function keyOf({ address, port, protocol }: Pick<VirtualService, "address" | "port" | "protocol">): string {
  return `${protocol} ${address} ${port}`;
}

function servicesChange(
  before: readonly VirtualService[],
  after: readonly VirtualService[],
): Pick<IpvsChange, "put" | "removed" | "leaves"> {
  const [old, fresh] = middle(before, after, sameService);
  const had = new Map(old.map((service) => [keyOf(service), service]));
  const put: VirtualService[] = [];
  let leaves = false;
  for (const service of fresh) {
    const known = had.get(keyOf(service));
    had.delete(keyOf(service));
    if (known && sameService(known, service)) continue;
    put.push(service);
    leaves ||= known !== undefined && !known.destinations.every((one) => service.destinations.some(sameServerAs(one)));
  }
  return {
    put,
    removed: [...had.values()].map(({ address, port, protocol }) => ({ address, port, protocol })),
    leaves,
  };
}

/** Nodes and syncs share what is the same for them (services.ts), so that a look at the object is mostly enough. */
function sameService(a: VirtualService, b: VirtualService): boolean {
  if (a === b) return true;
  return (
    a.port === b.port &&
    a.address === b.address &&
    a.protocol === b.protocol &&
    a.scheduler === b.scheduler &&
    a.persistentSeconds === b.persistentSeconds &&
    a.destinations.length === b.destinations.length &&
    a.destinations.every((one, i) => one.weight === b.destinations[i]?.weight && sameServerAs(one)(b.destinations[i]))
  );
}

function sameServerAs(one: RealServer): (other: RealServer) => boolean {
  return ({ address, port }) => address === one.address && port === one.port;
}
