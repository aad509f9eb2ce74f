import { toVmbError } from "../error.ts";
import type { Report } from "../event.ts";
import type { System } from "../sys/system.ts";

/** Scopes of what the File Daemon started, as systemd knows them. */
export const jobScopes = "vmb-job-*.scope";

/**
 * Moves this process out of the service of Bacula's File Daemon, if it is in there, and into a scope of its own, as
 * systemd-run(1) does with --scope: when the daemon is restarted, by an update of its package say, systemd ends
 * all that is in its service. Must come before any program is started, for what runs already stays behind.
 *
 * @param what it does, for whoever looks with systemctl
 */
export async function leaveFileDaemon(
  { files, processes, host, clock }: Pick<System, "files" | "processes" | "host" | "clock">,
  what: string,
  report: Report,
): Promise<void> {
  const isInside = async () => {
    const groups = await files.readText("/proc/self/cgroup").catch(() => "");
    return /\/bacula-fd\.service$/m.test(groups);
  };
  if (!await isInside()) return;
  const properties = [
    ["Description", "s", what],
    ["PIDs", "au", "1", String(host.pid)],
    // At shutdown it is ended before the share and libvirt are.
    ["After", "as", "3", "remote-fs.target", "libvirtd.service", "virtqemud.service"],
    ["TimeoutStopUSec", "t", String(180e6)],
    // One that had to be killed is not kept as failed: it would count as a run that still goes on.
    ["CollectMode", "s", "inactive-or-failed"],
  ];
  try {
    // org.freedesktop.systemd1(5)
    const done = await processes.run([
      ...["busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"] as const,
      ...["org.freedesktop.systemd1.Manager", "StartTransientUnit", "ssa(sv)a(sa(sv))"],
      ...[jobScopes.replace("*", String(host.pid)), "fail"],
      ...[String(properties.length), ...properties.flat(), "0"],
    ], { timeoutMs: 30_000 });
    if (done.code !== 0) throw new Error(done.stderr.trim() || `status ${done.code}`);
    for (let tries = 0; await isInside(); tries++) {
      if (tries === 50) throw new Error("it was not moved");
      await clock.sleep(100);
    }
  } catch (thrown) {
    report({
      kind: "warning",
      text: `A restart of bacula-fd would end this run, for systemd gave it no scope: ${
        toVmbError(thrown).message
      }`,
    });
  }
}
