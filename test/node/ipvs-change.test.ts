// The difference between two syncs of kube-proxy in ipvs mode: enough to come from one to the other, and no more than that.
import fc from "fast-check";
import { expect, test } from "vitest";
import { ipvsChange } from "../../src/node/kube-proxy/ipvs/change.ts";
import type { IpvsConfig, VirtualService } from "../../src/seam/ipvs.ts";

const CREATES = ["KUBE-CLUSTER-IP", "KUBE-LOOP-BACK"].map((name) => `create ${name} hash:ip,port family inet`);

function service(port: number, servers: readonly number[], more: Partial<VirtualService> = {}): VirtualService {
  const destinations = servers.map((one) => ({ address: `10.9.0.${one}`, port: 80, weight: 1 }));
  return {
    address: "10.96.0.1",
    port,
    protocol: "tcp",
    scheduler: "rr",
    persistentSeconds: 0,
    destinations,
    ...more,
  };
}

function config(
  services: VirtualService[],
  addresses: number[] = [],
  elements: [number[], number[]] = [[], []],
): IpvsConfig {
  const sets = CREATES.flatMap((create, i) => {
    const name = create.split(" ")[1] ?? "";
    return [create, ...(elements[i] ?? []).map((element) => `add ${name} 10.0.0.${element},tcp:80`)];
  });
  return {
    device: "kube-ipvs0",
    addresses: addresses.map((one) => `10.96.0.${one}`),
    services,
    sets: sets.map((line) => `${line}\n`).join(""),
    full: [],
  };
}

const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { maxLength: 8 });
const states = fc
  .record({
    services: fc.uniqueArray(
      fc.record({ port: fc.integer({ min: 1, max: 9 }), servers: numbers, persistentSeconds: fc.constantFrom(0, 5) }),
      { selector: ({ port }) => port, maxLength: 8 },
    ),
    addresses: numbers,
    first: numbers.map((list) => [...list].sort()),
    second: numbers.map((list) => [...list].sort()),
  })
  .map(({ services, addresses, first, second }) =>
    config(
      services.map(({ port, servers, persistentSeconds }) => service(port, servers, { persistentSeconds })),
      addresses,
      [first, second],
    ),
  );

const keyOf = ({ address, port, protocol }: Pick<VirtualService, "address" | "port" | "protocol">): string =>
  `${protocol} ${address} ${port}`;
const elementsOf = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("add "));

test("made on top of the one state, it leads to the other", () => {
  fc.assert(
    fc.property(states, states, (before, after) => {
      const change = ipvsChange(before, after);
      const services = new Map(before.services.map((one) => [keyOf(one), one]));
      for (const one of change?.removed ?? []) expect(services.delete(keyOf(one))).toBe(true);
      for (const one of change?.put ?? []) {
        expect(services.get(keyOf(one))).not.toEqual(one);
        services.set(keyOf(one), one);
      }
      expect(services).toEqual(new Map(after.services.map((one) => [keyOf(one), one])));
      const walk = (old: readonly string[], fresh: readonly string[], added: string[], removed: string[]): void => {
        const left = new Set(old);
        for (const one of removed) expect(left.delete(one)).toBe(true);
        for (const one of added) expect(left.has(one)).toBe(false);
        expect(new Set([...left, ...added])).toEqual(new Set(fresh));
      };
      walk(before.addresses, after.addresses, change?.addresses.added ?? [], change?.addresses.removed ?? []);
      const { added = "", removed = "" } = change?.sets ?? {};
      walk(elementsOf(before.sets), elementsOf(after.sets), elementsOf(added), elementsOf(removed));
    }),
  );
});

test("there is none between equal states, whether they share their objects or not", () => {
  const state = config([service(80, [1, 2])], [1], [[1], [2]]);
  expect(ipvsChange(state, state)).toBeUndefined();
  expect(ipvsChange(state, structuredClone(state))).toBeUndefined();
});

test("one Service's other endpoint is one virtual server, and elements come with the set that they are in", () => {
  const before = config([service(80, [1]), service(81, [1]), service(82, [1])], [1, 2], [[1, 2], [3]]);
  const after = config([service(80, [1]), service(81, [2]), service(82, [1])], [1, 2], [[1, 2], [4]]);
  expect(ipvsChange(before, after)).toEqual({
    addresses: { added: [], removed: [] },
    put: [service(81, [2])],
    removed: [],
    sets: {
      added: "create KUBE-LOOP-BACK hash:ip,port family inet\nadd KUBE-LOOP-BACK 10.0.0.4,tcp:80\n",
      removed: "create KUBE-LOOP-BACK hash:ip,port family inet\nadd KUBE-LOOP-BACK 10.0.0.3,tcp:80\n",
    },
    leaves: true,
  });
});

test("a server leaves when its service goes on without it, not when the service goes, nor when others come", () => {
  const leaves = (before: VirtualService[], after: VirtualService[]) =>
    ipvsChange(config(before), config(after))?.leaves;
  expect(leaves([service(80, [1, 2])], [service(80, [2])])).toBe(true);
  expect(leaves([service(80, [1])], [])).toBe(false);
  expect(leaves([service(80, [1])], [service(80, [1, 2])])).toBe(false);
});
