import assert from "node:assert/strict";
import { snapshotCommand } from "../../../core/libvirt/snapshot.ts";

const domain = { name: "x", uuid: "11111111-2222-4333-8444-555555555555" };

Deno.test("snapshotCommand names every disk, and writes a comma in a path twice", () => {
  const disks = [
    { target: "vda", overlay: "/a,b/c,,d.overlay" },
    { target: "sda", overlay: undefined },
  ];
  assert.deepEqual(snapshotCommand(domain, { name: "run-1", disks }), [
    "snapshot-create-as",
    `--domain=${domain.uuid}`,
    "--name=run-1",
    "--disk-only",
    "--atomic",
    "--no-metadata",
    "--diskspec=vda,snapshot=external,driver=qcow2,file=/a,,b/c,,,,d.overlay",
    "--diskspec=sda,snapshot=no",
  ]);
});

Deno.test("snapshotCommand is read by virsh as it was meant, commas and all", async () => {
  const [name, ...words] = snapshotCommand(domain, {
    name: "run-1",
    disks: [
      { target: "vda", overlay: '/a,b/it\'s "q" & <x>/vda.overlay' },
      { target: "vdb", overlay: undefined },
    ],
  });
  const { stdout, stderr } = await new Deno.Command("virsh", {
    args: [
      "--quiet",
      "-c",
      "test:///default",
      name,
      ...words.slice(1),
      "--domain=test",
      "--print-xml",
    ],
    env: { LC_ALL: "C" },
  }).output();
  const xml = new TextDecoder().decode(stdout);
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.match(xml, /<disk name='vda' snapshot='external'>/);
  assert.ok(
    xml.includes(`<source file='/a,b/it&apos;s &quot;q&quot; &amp; &lt;x&gt;/vda.overlay'/>`),
    xml,
  );
  assert.match(xml, /<driver type='qcow2'\/>/);
  assert.match(xml, /<disk name='vdb' snapshot='no'\/>/);
});
