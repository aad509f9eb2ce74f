import assert from "node:assert/strict";
import { systemProcesses } from "../../core/sys/process.ts";
import type { Guest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { backUpGuest, hashes, loseGuest, openRestoreSite, restore } from "./restoring.ts";
import type { Site } from "./site.ts";

const noTpm = Deno.uid() !== 0 ||
  await systemProcesses.run(["swtpm", "--version"]).then(({ code }) => code !== 0, () => true);

/** libvirt keeps the state of TPMs where only the machine's own libvirt and we see the same. */
const stateOf = (uuid: string) => `/var/lib/libvirt/swtpm/${uuid}`;

async function addTpm({ hypervisor: { virsh } }: Site, guest: Guest): Promise<void> {
  const xml = await virsh("dumpxml", "--inactive", "--domain", guest.name);
  const path = `${guest.folder}/with-tpm.xml`;
  await Deno.writeTextFile(
    path,
    xml.replace(
      "</devices>",
      "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>",
    ),
  );
  await virsh("define", path);
}

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
    const state = `${stateOf(uuid)}/tpm2/tpm2-00.permall`;
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
    const own = `${stateOf(clone.uuid)}/tpm2/tpm2-00.permall`;
    assert.ok((await Deno.stat(own)).size > 0);
    await virsh("destroy", "--domain", name);

    await loseGuest(site, guest);
    await assert.rejects(Deno.stat(stateOf(uuid)));
    await restore(site, guest.name);
    assert.deepEqual(await hashes([state]), { [state]: wanted });
    await guest.start();
    await guest.waitForAgent();
    await guest.destroy();
  },
});
