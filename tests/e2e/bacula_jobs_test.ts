import assert from "node:assert/strict";
import { vmJobName } from "../../core/bacula/names.ts";
import { nameArgument } from "../../core/config/escaped_name.ts";
import { type BaculaSite, openBaculaSite } from "../lab/bacula_site.ts";

/** What rendered configurations do in real daemons; the program on the hypervisor is a stand-in. */
const awkward = 'wiki "old" $x 100% ü';
const list = JSON.stringify({
  vms: [
    { name: "web", hypervisor: "hv1", priority: 10 },
    { name: awkward, hypervisor: "hv1", priority: 20 },
    { name: "broken", hypervisor: "hv1", priority: 30 },
  ],
});

let site: BaculaSite;

Deno.test.beforeAll(async () => {
  const bin = await Deno.makeTempDir({ prefix: "vmb-bin-" });
  await Deno.writeTextFile(`${bin}/vmb`, standIn, { mode: 0o755 });
  site = await openBaculaSite({ release: "15.0.3", list, vmb: `${bin}/vmb` });
  await Deno.writeTextFile(`${bin}/share`, site.share);
});

Deno.test.afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await Deno.remove(site.places.hypervisor.vmb.replace(/\/[^/]*$/, ""), { recursive: true });
});

/** Notes its arguments, and leaves what a backup leaves. */
const standIn = `#!/bin/sh
set -eu
echo "called:$(printf ' <%s>' "$@")"
[ "$3" != broken ] || { echo "check failed: no space"; exit 6; }
vm=$3
[ "$vm" = web ] || vm='${awkward}'
folder=$(cat "$(dirname "$0")/share")/hv1/$vm
mkdir -p "$folder/2026-11-21-120000/configs" "$folder/.2026-11-28-120000.partial"
for name in backup-metadata.json checksums.sha256 vm.xml vm-vda.qcow2 vm-vda.blockmap configs/x.txt; do
  echo "$name" >"$folder/2026-11-21-120000/$name"
done
echo half >"$folder/.2026-11-28-120000.partial/vm.xml"
`;

Deno.test("the job of a VM runs vmb on its hypervisor, and stores what describes the backup", async () => {
  for (const vm of ["web", awkward]) {
    const job = await site.ended(await site.queue(vmJobName(vm)));
    assert.deepEqual([job.status, job.errors], ["T", 0], job.log);
    const argument = nameArgument(vm);
    assert.ok(
      job.log.includes(
        `called: <hv> <backup> <${argument}> <--level> <Full> <--job-id> <${job.id}>`,
      ),
      job.log,
    );
    const files = await site.console("admin", `list files jobid=${job.id}`);
    const stored = [...files.matchAll(/^\|?\s*\|? ?(\/.*?)\s*\|?$/gm)].map(([, path]) => path);
    assert.deepEqual(stored, [], files);
  }
});
