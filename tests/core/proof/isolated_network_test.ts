import assert from "node:assert/strict";
import { parseXml } from "@rgrove/parse-xml";
import { isolatedNetworkXml, isolationRules } from "../../../core/proof/isolated_network.ts";

const network = {
  name: "vmb-test-0a1b2c3d",
  bridge: "vmbt0a1b2c3d",
  subnet: { prefix: "198.18.7" },
};

Deno.test("isolatedNetworkXml has no way out: no forward, no name server", () => {
  const xml = isolatedNetworkXml(network);
  assert.equal(parseXml(xml).root?.name, "network");
  assert.doesNotMatch(xml, /<forward/);
  assert.match(xml, /<dns enable='no'\/>/);
  assert.match(xml, /<ip address='198\.18\.7\.1' netmask='255\.255\.255\.0'>/);
  assert.ok(network.bridge.length <= 15);
});

Deno.test("isolationRules drops what is not DHCP or an answer, and is understood by nft", async () => {
  const rules = isolationRules("vmb_test_0a1b2c3d", network.bridge);
  assert.equal(rules.match(/ drop$/gm)?.length, 3);
  const nft = await new Deno.Command("which", { args: ["nft"], stdout: "null" }).output();
  if (!nft.success || Deno.uid() !== 0) return;
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, rules);
    const check = await new Deno.Command("nft", { args: ["--check", "--file", file] }).output();
    assert.ok(check.success, new TextDecoder().decode(check.stderr));
  } finally {
    await Deno.remove(file);
  }
});
