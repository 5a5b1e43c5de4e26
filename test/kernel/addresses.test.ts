// Numbers of IPv6 addresses: equal for equal addresses, the same in all instances over one memory, text again.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NUMBERS_OF_IPV6 } from "../../assembly/layout/records.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { compileKernel, newMemory } from "../../src/kernel/load.ts";
import { formatIpv6 } from "../../src/address6.ts";

const module = compileKernel();

describe("numbers of addresses", () => {
  it("are the address itself for IPv4, and lie in 0.128.0.0/9 for IPv6", () => {
    const kernel = new Kernel(module, newMemory());
    expect(kernel.addressNumber("10.244.1.2")).toBe(0x0af40102);
    // Four that the kernel itself knows come first.
    expect(kernel.addressNumber("::1")).toBe(NUMBERS_OF_IPV6 + 1);
    expect(kernel.addressNumber("fd00::1")).toBe(NUMBERS_OF_IPV6 + 4);
    expect(kernel.addressNumber("fd00::2")).toBe(NUMBERS_OF_IPV6 + 5);
    expect(kernel.addressNumber("FD00:0::1")).toBe(NUMBERS_OF_IPV6 + 4);
  });

  it("are the same in another instance over the same memory", () => {
    const memory = newMemory();
    const [one, other] = [new Kernel(module, memory), new Kernel(module, memory)];
    const number = one.addressNumber("2001:db8::1");
    one.addressNumber("2001:db8::2");
    expect(other.addressNumber("2001:db8::1")).toBe(number);
    expect(other.addressNumber("2001:db8::3")).toBe(number + 2);
  });

  it("are told apart and told again for any set of addresses", () => {
    const address = fc.bigInt(0n, (1n << 128n) - 1n);
    fc.assert(
      fc.property(fc.array(fc.oneof(address, fc.bigInt(0n, 300n)), { maxLength: 400 }), (list) => {
        const kernel = new Kernel(module, newMemory());
        const ns = kernel.newNamespace(kernel.calls.newMachine(0) >>> 0, 1, 1n);
        const numbers = new Map<bigint, number>();
        for (const one of list) {
          const number = kernel.addressNumber6(one);
          expect(numbers.get(one) ?? number).toBe(number);
          numbers.set(one, number);
        }
        expect(new Set(numbers.values()).size).toBe(numbers.size);
        for (const [one, number] of numbers) expect(kernel.addressText(ns, number)).toBe(formatIpv6(one));
      }),
      { numRuns: 30 },
    );
  });
});
