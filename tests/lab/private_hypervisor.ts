import { VmbError } from "../../core/error.ts";
import { guestType } from "./acceleration.ts";
import { type Hypervisor, virshOf } from "./hypervisor.ts";
import type { Lab } from "./lab.ts";
import { findDaemon, waitForLibvirt } from "./libvirt_daemon.ts";

const script = new URL("private_hypervisor.sh", import.meta.url).pathname;

/** What libvirt would do to the rest of the machine is switched off; its ways with files are not. */
const qemuConf = `security_driver = "none"
stdio_handler = "file"
cgroup_controllers = [ ]
namespaces = [ ]
`;

/**
 * Starts a libvirt daemon as root in its own mount, PID and network namespace. Its domains are ordinary
 * ones of `/system` (QEMU runs as the qemu user, files change their owner), yet the machine's libvirt, if
 * it has one, neither sees nor disturbs them. It ends with this process, however that ends.
 *
 * VMB_LAB_ROOT names the root of another system (an unpacked Debian 13), whose libvirt and QEMU are used then.
 *
 * @throws {VmbError} `lab.no-libvirt`; `lab.hypervisor` when the namespaces cannot be made
 */
export async function privateHypervisor(lab: Lab): Promise<Hypervisor> {
  const root = Deno.env.get("VMB_LAB_ROOT") ?? "";
  const daemon = await findDaemon(root);
  const folder = `${lab.folder}/hv`;
  await Deno.mkdir(`${folder}/run/lock`, { recursive: true });
  // The qemu user comes through here on its way to its sockets.
  await Deno.chmod(folder, 0o711);
  for (const name of ["etc/qemu", "lib", "log", "cache"]) {
    await Deno.mkdir(`${folder}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${folder}/etc/qemu.conf`, qemuConf);
  for (const name of ["virtqemud", "libvirtd"]) {
    await Deno.writeTextFile(`${folder}/etc/${name}.conf`, `auth_unix_rw = "none"\n`);
  }

  const child = new Deno.Command("unshare", {
    args: [
      ...["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
      ...["sh", script, folder, daemon.program, await guestType(), root],
    ],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const words = new Response(child.stderr).text();
  const stop = once(async () => {
    await child.stdin.close().catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await child.status;
    await words;
    clearTimeout(timer);
  });
  lab.defer(stop);

  const uri = `qemu+unix:///system?socket=${folder}/run/libvirt/${daemon.socket}`;
  const early = child.status.then(async () => {
    throw new VmbError(`A private libvirt could not be started: ${(await words).trim()}`, {
      code: "lab.hypervisor",
      hint:
        "It needs root and the right to make namespaces; VMB_LAB_HYPERVISOR=system needs neither",
    });
  });
  await Promise.race([
    early,
    waitForLibvirt(uri, {}, () => Deno.readTextFile(`${folder}/daemon.log`)),
  ]);
  early.catch(() => {});
  const networkOf = child.pid;
  return { lab, kind: "private", uri, env: {}, virsh: virshOf(uri, {}), networkOf, stop };
}

function once(work: () => Promise<void>): () => Promise<void> {
  let begun: Promise<void> | undefined;
  return () => begun ??= work();
}
