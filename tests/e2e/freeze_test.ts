import assert from "node:assert/strict";
import type { Manifest } from "../../core/repository/manifest.ts";
import { createGuest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { assertEnded, assertUndisturbed, openSite } from "./site.ts";

for (const sizeGiB of [1, 20]) {
  Deno.test(`vmb hv backup freezes a guest with ${sizeGiB} GiB only for a moment, and never stalls it`, async () => {
    await using lab = await openLab();
    const site = await openSite(lab);
    const guest = await createGuest(site.hypervisor, {
      name: `freeze-${sizeGiB}`,
      workload: "stall",
      sizeMiB: sizeGiB * 1024,
      dataMiB: 64,
    });
    await guest.start();
    await guest.waitForAgent();
    const longest = async () =>
      Math.max(
        0,
        ...(await Deno.readTextFile(guest.consoleLog)).match(/(?<=VMB-STALL longest=)\d+/g)?.map(
          Number,
        ) ?? [],
      );
    await guest.waitForConsole(/VMB-HEARTBEAT 5/);
    const before = await longest();
    // The target takes 10 MB/s.
    const ended = await site.vmb("hv", "backup", guest.name, "--bwlimit", "10M", "--json");
    assertEnded(ended, 0);
    const { manifest } = JSON.parse(ended.stdout) as { manifest: Manifest };
    const stall = await longest();
    console.log(
      `${sizeGiB} GiB: frozen ${manifest.frozenMs} ms; longest write stall of the guest ${before} ms before, ` +
        `${stall} ms with the copy of ${Math.round(manifest.seconds["copy"] ?? 0)} s`,
    );
    assert.ok(manifest.frozenMs !== null && manifest.frozenMs > 0);
    // No timing gates a test; but a freeze for the length of the copy would be a fault of design.
    assert.ok(
      stall < (manifest.seconds["copy"] ?? 0) * 1000,
      "the guest stood still during the copy",
    );
    await assertUndisturbed(site, guest);
  });
}
