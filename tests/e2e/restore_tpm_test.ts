import assert from "node:assert/strict";
import { openLab } from "../lab/lab.ts";
import { backUpGuest, hashes, loseGuest, openRestoreSite, restore } from "./restoring.ts";
import { addTpm, noTpm, tpmStateOf } from "./tpm.ts";

Deno.test({
  name: "vmb hv restore gives a lost VM its TPM back, and a clone a copy of its own",
  ignore: noTpm,
  async fn() {
    await using lab = await openLab();
    const site = await openRestoreSite(lab, "system");
    const { virsh } = site.hypervisor;
    const { guest, manifest, folder } = await backUpGuest(
      site,
      { name: "tpm" },
      (guest) => addTpm(site, guest),
    );
    const { uuid } = manifest.vm;
    const state = `${tpmStateOf(uuid)}/tpm2/tpm2-00.permall`;
    assert.ok(manifest.files.some(({ role }) => role === "tpm"));
    const archived = await new Deno.Command("sh", {
      args: ["-c", `tar -xOf "$1" ./tpm2/tpm2-00.permall | sha256sum`, "sh"]
        .concat(`${folder}/${guest.name}-tpm.tar`),
    }).output();
    const wanted = new TextDecoder().decode(archived.stdout).split(" ")[0];

    const name = `${guest.name}-clone`;
    const clone = await restore(site, guest.name, "latest", "--name", name, "--start");
    lab.defer(async () => {
      await virsh("destroy", "--domain", name).catch(() => {});
      await virsh("undefine", "--domain", name);
    });
    assert.equal(await guest.state(), "running");
    const own = `${tpmStateOf(clone.uuid)}/tpm2/tpm2-00.permall`;
    assert.ok((await Deno.stat(own)).size > 0);
    await virsh("destroy", "--domain", name);

    await loseGuest(site, guest);
    await assert.rejects(Deno.stat(tpmStateOf(uuid)));
    await restore(site, guest.name);
    assert.deepEqual(await hashes([state]), { [state]: wanted });
    await guest.start();
    await guest.waitForAgent();
    await guest.destroy();
  },
});
