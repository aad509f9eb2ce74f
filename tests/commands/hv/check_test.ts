import assert from "node:assert/strict";
import { qemu } from "../../core/qcow2/qemu_img.ts";
import { domainXml, fakeVirshProcesses, fileDisk } from "../../core/survey/fake_domain.ts";
import { openSite } from "../run.ts";

Deno.test("vmb hv check ends with 6 and the path of an image that is gone, after all other checks", async () => {
  const image = await Deno.makeTempFile({ suffix: ".raw" });
  await qemu("qemu-img", "create", "-f", "raw", image, "1M");
  try {
    const devices = fileDisk("vda", image, "raw") + fileDisk("vdb", "/nowhere/data.qcow2");
    await using site = await openSite({
      changes: { processes: fakeVirshProcesses({ inactive: domainXml(devices) }) },
    });
    const ended = await site.run("hv", "check", "web");
    assert.equal(ended.code, 6);
    assert.match(
      ended.err,
      /^check disks: failed: disk vdb cannot be read: there is no "\/nowhere\/data\.qcow2" \(hint: /m,
    );
    for (const name of ["vm-state", "no-snapshots", "no-overlays", "share-mounted", "programs"]) {
      assert.match(ended.err, new RegExp(`^check ${name}: `, "m"));
    }
    const asJson = await site.run("hv", "check", "web", "--json");
    assert.equal(asJson.code, 6);
    const { checks } = JSON.parse(asJson.out) as { checks: { name: string; outcome: string }[] };
    assert.equal(checks.find(({ name }) => name === "disks")?.outcome, "failed");
  } finally {
    await Deno.remove(image);
  }
});
