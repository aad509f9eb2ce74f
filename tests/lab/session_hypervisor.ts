import { type Hypervisor, virshOf } from "./hypervisor.ts";
import type { Lab } from "./lab.ts";
import { removeDomainsUsing } from "./leftovers.ts";
import { findDaemon, waitForLibvirt } from "./libvirt_daemon.ts";
import { endDaemon } from "./system_hypervisor.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

/**
 * Starts a libvirt daemon of an ordinary user, with its run-time, configuration and cache folders inside
 * the lab. For root there is no such thing: its `qemu:///session` is `qemu:///system`.
 *
 * @throws {VmbError} `lab.no-libvirt`
 */
export async function sessionHypervisor(lab: Lab): Promise<Hypervisor> {
  const daemon = await findDaemon();
  // libvirt's path of an agent's socket has 82 bytes after XDG_CONFIG_HOME, of 107 that are possible.
  const env = {
    HOME: `${lab.folder}/home`,
    XDG_RUNTIME_DIR: `${lab.folder}/run`,
    XDG_CONFIG_HOME: `${lab.folder}/c`,
    XDG_CACHE_HOME: `${lab.folder}/cache`,
    XDG_DATA_HOME: `${lab.folder}/share`,
  };
  for (const folder of Object.values(env)) {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  }
  await Deno.mkdir(`${env.XDG_CONFIG_HOME}/libvirt`);
  await Deno.writeTextFile(
    `${env.XDG_CONFIG_HOME}/libvirt/qemu.conf`,
    `stdio_handler = "file"\n`,
  );
  const uri = `qemu+unix:///session?socket=${env.XDG_RUNTIME_DIR}/libvirt/${daemon.socket}`;
  const pidFile = `${lab.folder}/daemon.pid`;
  let stopping: Promise<void> | undefined;
  const stop = () =>
    stopping ??= (async () => {
      await removeDomainsUsing(uri, lab.folder, env);
      await endDaemon(pidFile);
    })();
  lab.defer(stop);
  await runOk(systemProcesses, [daemon.program, "--daemon", "--pid-file", pidFile], { env });
  await waitForLibvirt(uri, env);
  return { lab, kind: "session", uri, env, virsh: virshOf(uri, env), stop };
}
