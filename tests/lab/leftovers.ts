import { join } from "node:path";
import { systemProcesses } from "../../core/sys/process.ts";

/** Removes the labs below `base` whose owners have died: domains, mounts, loop devices and files. */
export async function removeLeftovers(base: string): Promise<void> {
  for await (const entry of Deno.readDir(base)) {
    if (!entry.isDirectory || !entry.name.startsWith("vmb-lab-")) continue;
    const folder = join(base, entry.name);
    if (!await isAbandoned(folder)) continue;
    await removeDomainsUsing("qemu:///system", folder);
    await unmountBelow(folder);
    await detachLoopsBelow(folder);
    await Deno.remove(folder, { recursive: true });
  }
  await removeOrphans(base);
}

/** libvirt may define a domain long after the call was given up and the lab was closed. */
async function removeOrphans(base: string): Promise<void> {
  if (Deno.uid() !== 0) return;
  const listed = await systemProcesses.run(
    ["virsh", "--quiet", "--connect", "qemu:///system", "list", "--all", "--name"],
    { timeoutMs: 10_000 },
  ).catch(() => undefined);
  for (const [name] of listed?.stdout.matchAll(/^vmb-lab-\w{5}(?=-)/gm) ?? []) {
    const alive = await Deno.stat(join(base, name)).then(() => true, () => false);
    if (!alive) await removeDomainsUsing("qemu:///system", join(base, name));
  }
}

/**
 * Destroys and undefines every domain whose XML names a file below `folder`, whatever the domain is
 * called: a test copy that a killed program left behind is found too. */
export async function removeDomainsUsing(
  uri: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const virsh = (...args: string[]) =>
    systemProcesses.run(["virsh", "--quiet", "--connect", uri, ...args], { env })
      .catch(() => ({ code: 1, stdout: "", stderr: "" }));
  const listed = await virsh("list", "--all", "--uuid");
  if (listed.code !== 0) return;
  for (const uuid of listed.stdout.split("\n").filter((line) => line !== "")) {
    const xml = await virsh("dumpxml", uuid);
    if (!xml.stdout.includes(`${folder}/`)) continue;
    await virsh("destroy", uuid);
    await virsh(
      "undefine",
      uuid,
      "--nvram",
      "--managed-save",
      "--snapshots-metadata",
      "--checkpoints-metadata",
    );
  }
}

/** Unmounts whatever is mounted below `folder`, the innermost first. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
    .map((line) => (line.split(" ")[1] ?? "").replaceAll("\\040", " "))
    .filter((path) => path === folder || path.startsWith(`${folder}/`));
  for (const path of mounts.reverse()) {
    const done = await systemProcesses.run(["umount", path]);
    // A mount that is still used goes away with its last user.
    if (done.code !== 0) await systemProcesses.run(["umount", "--lazy", path]);
  }
}

async function detachLoopsBelow(folder: string): Promise<void> {
  const listed = await systemProcesses.run(
    ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"],
  ).catch(() => undefined);
  for (const line of listed?.stdout.split("\n") ?? []) {
    const [device, file] = line.trim().split(/\s+/);
    if (device !== undefined && file?.startsWith(`${folder}/`)) {
      await systemProcesses.run(["losetup", "--detach", device]);
    }
  }
}

async function isAbandoned(folder: string): Promise<boolean> {
  const info = await Deno.lstat(folder).catch(() => undefined);
  if (info === undefined || info.uid !== Deno.uid()) return false;
  let owner: Deno.FsFile;
  try {
    owner = await Deno.open(join(folder, "owner"), { write: true });
  } catch {
    // A lab that was just begun, or one that was killed while it began.
    return (info.mtime?.getTime() ?? 0) < Date.now() - 600_000;
  }
  try {
    return await owner.tryLock(true);
  } finally {
    owner.close();
  }
}
