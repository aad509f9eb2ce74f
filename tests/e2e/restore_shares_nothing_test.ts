import assert from "node:assert/strict";
import { startQemuNbd } from "../core/nbd/servers.ts";
import { createGuest, type Guest } from "../lab/guest.ts";
import { openLab } from "../lab/lab.ts";
import { waitFor } from "../lab/wait.ts";
import { openRestoreSite, trusting } from "./restoring.ts";
import { assertEnded, hypervisorName } from "./site.ts";

/** Gives a guest one of each kind of device that names something of the host, and that can be run here. */
async function tie(guest: Guest, xml: string, nbdSocket: string): Promise<string> {
  const file = (name: string) => `${guest.folder}/${name}`;
  for (const [name, bytes] of [["excluded.raw", 4], ["pmem.img", 64]] as const) {
    await Deno.writeFile(file(name), new Uint8Array());
    await Deno.truncate(file(name), bytes * 2 ** 20);
    await Deno.chmod(file(name), 0o666);
  }
  await Deno.chmod(guest.folder, 0o777);
  const devices = `
    <disk type='file' device='disk'><driver name='qemu' type='raw'/>
      <source file='${file("excluded.raw")}'/><target dev='vdx' bus='virtio'/></disk>
    <disk type='network' device='disk'><driver name='qemu' type='raw'/>
      <source protocol='nbd'><host transport='unix' socket='${nbdSocket}'/></source>
      <target dev='vdy' bus='virtio'/><readonly/></disk>
    <memory model='nvdimm' access='shared'><source><path>${file("pmem.img")}</path></source>
      <target><size unit='MiB'>64</size><node>0</node></target></memory>
    <graphics type='vnc'><listen type='socket' socket='${file("vnc.sock")}'/></graphics>
    <channel type='unix'><source mode='bind' path='${file("channel.sock")}'/>
      <target type='virtio' name='com.example.own'/></channel>
    <shmem name='${guest.name}'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>
    <memballoon`;
  return xml.replace("<memballoon", devices)
    .replace("<memory ", "<maxMemory slots='4' unit='MiB'>1024</maxMemory>\n  <memory ")
    .replace(
      /<cpu [^]*?(\/>|<\/cpu>)/,
      "<cpu mode='maximum'><numa><cell id='0' cpus='0' memory='196608' unit='KiB'/></numa></cpu>",
    );
}

/** What the QEMU of a domain has open, mapped, or listens on: paths, and the inodes of its files. */
async function held(domain: string): Promise<string> {
  const pids: string[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const line = await Deno.readTextFile(`/proc/${name}/cmdline`).catch(() => "");
    if (line.includes("qemu") && line.includes(`guest=${domain},`)) pids.push(name);
  }
  assert.ok(pids.length > 0, `no QEMU of ${domain}`);
  let text = "";
  for (const pid of pids) {
    text += await Deno.readTextFile(`/proc/${pid}/maps`);
    text += await Deno.readTextFile(`/proc/${pid}/cmdline`);
    // libvirt opens the sockets of channels, and hands them over by number.
    const sockets = new Map(
      (await Deno.readTextFile(`/proc/${pid}/net/unix`)).split("\n").map((line) => {
        const [, , , , , , inode = "", path = ""] = line.trim().split(/\s+/);
        return [`socket:[${inode}]`, path];
      }),
    );
    for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
      const target = await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => "");
      text += `${target} ${sockets.get(target) ?? ""}\n`;
    }
  }
  return text;
}

Deno.test({
  name: "a clone and a test copy hold nothing of the original that is outside of the backup",
  ignore: Deno.uid() !== 0,
  async fn(t) {
    await using lab = await openLab();
    const site = await openRestoreSite(lab);
    const { virsh } = site.hypervisor;
    const guest = await createGuest(site.hypervisor, { name: "tied", workload: "idle" });
    const image = `${guest.folder}/network.raw`;
    await Deno.writeFile(image, new Uint8Array(4 * 2 ** 20));
    await using server = await startQemuNbd("--format=raw", "--shared=8", image);
    await Deno.chmod(server.socketPath, 0o777);
    await Deno.chmod(server.socketPath.slice(0, server.socketPath.lastIndexOf("/")), 0o755);
    const own = await virsh("dumpxml", "--inactive", "--domain", guest.name);
    const file = `${guest.folder}/tied.xml`;
    await Deno.writeTextFile(file, await tie(guest, own, server.socketPath));
    await virsh("define", "--validate", file);
    await guest.start();
    await guest.waitForAgent();
    const entry = { name: guest.name, hypervisor: hypervisorName };
    await site.listVms([{ ...entry, disks: { exclude: ["vdx", "vdy"] } }]);
    assertEnded(await site.vmb("hv", "backup", guest.name), 0);
    const words = ["excluded.raw", "pmem.img", "vnc.sock", "channel.sock", `shm/${guest.name}`];
    const ofOriginal = await held(guest.name);
    for (const word of words) assert.ok(ofOriginal.includes(word), `the probe sees ${word}`);
    // Also the server's end of a connection is in the network of the QEMU that asked for it.
    const connections = async () =>
      (await Deno.readTextFile(`/proc/${site.hypervisor.networkOf ?? "self"}/net/unix`))
        .split("\n").filter((line) => line.endsWith(` ${server.socketPath}`)).length;
    const before = await connections();
    assert.ok(before > 0, "the probe sees the connection to the NBD server");

    const name = `${guest.name}-clone`;
    lab.defer(async () => {
      await virsh("destroy", "--domain", name).catch(() => {});
      await virsh("undefine", "--domain", name).catch(() => {});
    });
    await t.step("clone", async () => {
      const ended = await site.vmb(
        ...["hv", "restore", guest.name, "latest", "--name", name, "--start", trusting],
      );
      assertEnded(ended, 0);
      for (const word of ["disk vdx", "disk vdy", "memory model=nvdimm", "shmem", "vnc.sock"]) {
        assert.ok(ended.stderr.includes(word), `${word} is not named:\n${ended.stderr}`);
      }
      const text = await held(name);
      for (const word of [...words, server.socketPath]) {
        assert.ok(!text.includes(word), `the clone holds ${word}`);
      }
      assert.equal(await connections(), before);
    });
    await t.step("test copy", async () => {
      const ended = await site.vmb("hv", "test-restore", guest.name, "--keep", "--json");
      assertEnded(ended, 0);
      const { kept } = JSON.parse(ended.stdout) as { kept: { name: string } };
      const text = await held(kept.name);
      for (const word of [...words, server.socketPath, guest.folder]) {
        assert.ok(!text.includes(word), `the copy holds ${word}`);
      }
      assert.equal(await connections(), before);
      assertEnded(await site.vmb("hv", "recover", "--kept"), 0);
    });
    await t.step("the original runs on, with all that it has", async () => {
      await virsh("destroy", "--domain", name);
      const text = await held(guest.name);
      for (const word of words) assert.ok(text.includes(word), `the original lost ${word}`);
      await waitFor(() => guest.askAgent("guest-ping").then(() => true, () => undefined), {
        ...{ what: "an answer of the original", deadlineMs: 20_000 },
      });
      const socket = await Deno.connect({ transport: "unix", path: `${guest.folder}/vnc.sock` });
      socket.close();
    });
  },
});
