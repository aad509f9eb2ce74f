import assert from "node:assert/strict";
import fc from "fast-check";
import { chooseSubnet, isInSubnet } from "../../../core/proof/subnet.ts";

function routes(...destinations: readonly string[]): string {
  return JSON.stringify(destinations.map((dst) => ({ dst, dev: "eth0" })));
}

Deno.test("chooseSubnet begins at its seed, and the default route takes nothing", () => {
  assert.deepEqual(chooseSubnet(routes("default", "0.0.0.0/0"), 0), { prefix: "198.18.0" });
  assert.deepEqual(chooseSubnet(routes("10.0.0.0/8", "fd00::/64"), 300), { prefix: "198.19.44" });
  assert.deepEqual(chooseSubnet("", 512), { prefix: "198.18.0" });
});

Deno.test("chooseSubnet passes over routes of any length that overlap", () => {
  assert.deepEqual(chooseSubnet(routes("198.18.0.0/23"), 0), { prefix: "198.18.2" });
  assert.deepEqual(chooseSubnet(routes("198.18.0.7"), 0), { prefix: "198.18.1" });
  assert.deepEqual(chooseSubnet(routes("198.19.255.128/25"), 511), { prefix: "198.18.0" });
  for (const dst of ["198.18.0.0/15", "192.0.0.0/4"]) {
    assert.throws(() => chooseSubnet(routes(dst), 3), { code: "proof.no-subnet" });
  }
});

Deno.test("chooseSubnet never chooses a subnet that one of the routes covers", () => {
  const taken = fc.uniqueArray(fc.integer({ min: 0, max: 511 }), { maxLength: 511 });
  fc.assert(
    fc.property(taken, fc.nat(65_535), (indices, seed) => {
      const prefixes = indices.map((index) => `198.${18 + (index >> 8)}.${index & 255}`);
      const { prefix } = chooseSubnet(routes(...prefixes.map((each) => `${each}.0/24`)), seed);
      assert.match(prefix, /^198\.1[89]\.\d+$/);
      assert.ok(!prefixes.includes(prefix));
    }),
  );
});

Deno.test("isInSubnet compares whole numbers", () => {
  assert.ok(isInSubnet("198.18.1.5", { prefix: "198.18.1" }));
  assert.ok(!isInSubnet("198.18.10.5", { prefix: "198.18.1" }));
});
