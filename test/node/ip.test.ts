// Addresses of both families: canonical text, networks, what a block holds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressForm, blockContains, familyOf, isLoopback, networkForm } from "../../src/node/kube-proxy/ip.ts";

describe("an address or block", () => {
  it.each([
    ["10.1.2.3/8", "IPv4", "10.0.0.0/8"],
    ["10.1.2.3", "IPv4", "10.1.2.3/32"],
    ["0.0.0.0/0", "IPv4", "0.0.0.0/0"],
    ["2001:DB8::0001", "IPv6", "2001:db8::1/128"],
    ["2001:db8:0:0:1:0:0:1/63", "IPv6", "2001:db8::/63"],
    ["2001:db8:0:0:1:0:0:1", "IPv6", "2001:db8::1:0:0:1/128"],
    ["2001:0:1:2:3:4:5:6", "IPv6", "2001:0:1:2:3:4:5:6/128"],
    ["64:ff9b::192.0.2.33", "IPv6", "64:ff9b::c000:221/128"],
    ["::/0", "IPv6", "::/0"],
  ])("%s is %s and has the network form %s", (text, family, network) => {
    expect(familyOf(text)).toBe(family);
    expect(networkForm(text)).toBe(network);
  });

  it.each(["", "10.0.0", "10.0.0.0/33", "fd00::/129", "1::2::3", "1:2:3:4:5:6:7", "fd00::g", "lb.example.com"])(
    "%j is neither",
    (text) => {
      expect(familyOf(text)).toBeUndefined();
    },
  );

  it("holds its own addresses and no others, of its family only", () => {
    expect(blockContains("10.0.0.0/8", "10.255.0.1")).toBe(true);
    expect(blockContains("10.0.0.0/8", "11.0.0.1")).toBe(false);
    expect(blockContains("fd00:1::/32", "fd00:1:ffff::1")).toBe(true);
    expect(blockContains("fd00:1::/32", "fd00:2::1")).toBe(false);
    expect(blockContains("::/0", "10.0.0.1")).toBe(false);
    expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
    expect(["126.0.0.1", "::2"].some(isLoopback)).toBe(false);
  });

  it("has the same canonical IPv6 text as a URL", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("0", "00", "1", "abcd", "F"), { minLength: 8, maxLength: 8 }), (groups) => {
        const text = groups.join(":");
        expect(`[${addressForm(text)}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
    );
  });
});
