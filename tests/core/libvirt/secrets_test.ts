import assert from "node:assert/strict";
import { neededSecrets } from "../../../core/libvirt/secrets.ts";

Deno.test("neededSecrets finds them wherever a device names one, each once", () => {
  const xml = `<domain><devices>
    <disk type='file'><source file='/a'><encryption format='luks'><secret type='passphrase' uuid='u1'/></encryption></source><target dev='vda'/></disk>
    <disk type='network'><auth username='x'><secret type='ceph' usage='ceph key'/></auth><source protocol='rbd' name='p/i'><auth username='x'><secret type='ceph' usage='ceph key'/></auth></source><target dev='vdb'/></disk>
    <disk type='block'><source dev='/b'/><backingStore type='file'><source file='/c'><encryption format='luks'><secret type='passphrase' uuid='u2'/></encryption></source></backingStore><target dev='vdc'/></disk>
    <hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='i'><auth username='y'><secret type='iscsi' uuid='u3'/></auth></source></hostdev>
    <tpm model='tpm-crb'><backend type='emulator'><encryption secret='u4'/></backend></tpm>
    </devices></domain>`;
  assert.deepEqual(neededSecrets(xml), [
    { name: "u1", for: "disk vda" },
    { name: "ceph key", for: "disk vdb" },
    { name: "u2", for: "disk vdc" },
    { name: "u3", for: "host device" },
    { name: "u4", for: "TPM" },
  ]);
  assert.deepEqual(neededSecrets("<domain/>"), []);
});
