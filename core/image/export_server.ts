import { VmbError } from "../error.ts";
import type { DomainDescription } from "../libvirt/domain_xml.ts";
import { quoted } from "../format/quoted.ts";
import type { System } from "../sys/system.ts";
import { foreignImage, standingAlone } from "./backup_image.ts";
import type { DiskExport } from "./disk_export.ts";

/** An image to serve. */
export interface ServedImage {
  readonly target: string;
  readonly path: string;
  readonly format: string;
  /** An image of a backup: nothing but itself is opened, and that is looked at when it is. */
  readonly alone?: boolean;
}

export interface ExportServer {
  readonly exports: readonly DiskExport[];
  stop(): Promise<void>;
}

/**
 * Serves images read-only by one `qemu-nbd` each. Image locks are shared: a domain that wants to start, or
 * runs on an overlay above the image, is never kept from its disk.
 *
 * @param folders where sockets lie, so that a server left behind is found by its command line; and where logs
 *   lie, which is no folder of QEMU's user
 * @param reader the user of a QEMU that will read from the sockets; without it, only root can
 */
export async function serveImages(
  system: Pick<System, "processes" | "files" | "clock">,
  images: readonly ServedImage[],
  folders: { readonly sockets: string; readonly logs: string },
  reader?: DomainDescription["owner"],
): Promise<ExportServer> {
  // SELinux judges a connection by a label that only the socket's maker can give it (qemu-nbd(8)).
  const isLabelled = reader !== undefined &&
    await system.files.inspect("/sys/fs/selinux/enforce") !== undefined;
  const servers = await Promise.all(images.map(async ({ target, path, format, alone = false }) => {
    const socketPath = `${folders.sockets}/${target}.sock`;
    const log = `${folders.logs}/${target}.qemu-nbd.log`;
    const pidFile = `${folders.logs}/${target}.qemu-nbd.pid`;
    // One that an earlier server left would speak for this one, before it has opened anything.
    await system.files.remove(pidFile);
    const daemon = await system.processes.start(
      [
        "qemu-nbd",
        "--read-only",
        "--persistent",
        "--shared=16",
        `--socket=${socketPath}`,
        `--pid-file=${pidFile}`,
        `--export-name=${target}`,
        ...(isLabelled ? ["--selinux-label=system_u:object_r:svirt_socket_t:s0"] : []),
        ...(alone
          ? [standingAlone(path)]
          : ["--image-opts", imageOptions(path, format, await isDevice(system, path))]),
      ],
      log,
    );
    return { target, path, alone, socketPath, pidFile, log, daemon };
  }));
  const stop = async () => {
    for (const { daemon } of servers) daemon.kill();
    const gone = Promise.all(servers.map(({ daemon }) => daemon.exited));
    // One that hangs in the kernel must not keep a domain on its overlays.
    const waiting = new AbortController();
    await Promise.race([gone, system.clock.sleep(10_000, waiting.signal).catch(() => {})]);
    waiting.abort();
    for (const { daemon } of servers) daemon.kill("SIGKILL");
  };
  try {
    for (const server of servers) {
      await ready(server);
      if (server.alone) await assertNothingElse(server);
      // To connect, one must be allowed to write to the socket (unix(7)).
      if (reader) await system.files.own(server.socketPath, reader.uid, reader.gid);
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    exports: servers.map(({ target, socketPath }) => ({ target, socketPath, exportName: target })),
    stop,
  };

  /** A header that was changed after it was looked at could have QEMU open what it names. */
  async function assertNothingElse({ path, pidFile, log, daemon }: (typeof servers)[number]) {
    const { files } = system;
    const image = await files.realPath(path);
    const expected = ["/dev/null", image, await files.realPath(pidFile), await files.realPath(log)];
    const folder = `/proc/${daemon.pid}/fd`;
    for (const name of await files.list(folder)) {
      const opened = await files.readLink(`${folder}/${name}`).catch(() => "");
      if (!opened.startsWith("/") || expected.includes(opened)) continue;
      // What we were started with is none of its doing.
      if (await files.readLink(`/proc/self/fd/${name}`).catch(() => "") === opened) continue;
      throw foreignImage(path, `it had qemu-nbd open ${quoted(opened)}`);
    }
  }

  /** The socket is there before the image is opened; the pid file comes after both. */
  async function ready({ path, pidFile, log, daemon }: (typeof servers)[number]) {
    let status: number | undefined;
    daemon.exited.then((code) => status = code);
    const until = system.clock.monotonic() + 10_000;
    while (await system.files.inspect(pidFile) === undefined) {
      if (status !== undefined || system.clock.monotonic() > until) {
        const words = (await system.files.readText(log)).trim();
        throw new VmbError(
          `Image "${path}" cannot be served: ${words || `qemu-nbd ended with ${status}`}`,
          { code: "capture.export" },
        );
      }
      await system.clock.sleep(10);
    }
  }
}

/** QEMU's image options (qemu(1), `--image-opts`); a comma in a value is written twice. */
function imageOptions(path: string, format: string, device: boolean): string {
  return [
    `driver=${format}`,
    "force-share=on",
    `file.driver=${device ? "host_device" : "file"}`,
    `file.filename=${path.replaceAll(",", ",,")}`,
  ].join(",");
}

/** A name tells nothing: a link may lead to a device, and below /dev/shm lie files. */
async function isDevice({ files }: Pick<System, "files">, path: string): Promise<boolean> {
  return (await files.inspectTarget(path))?.kind === "block";
}
