import { VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import type { DiskExport } from "./capture.ts";

/** An image to serve. */
export interface ServedImage {
  readonly target: string;
  readonly path: string;
  readonly format: string;
}

export interface ExportServer {
  readonly exports: readonly DiskExport[];
  stop(): Promise<void>;
}

/**
 * Serves images read-only by one `qemu-nbd` each. Image locks are shared: a domain that wants to start, or
 * runs on an overlay above the image, is never kept from its disk.
 *
 * @param folder sockets and logs lie here, so that a server left behind is found by its command line
 */
export async function serveImages(
  system: Pick<System, "processes" | "files" | "clock">,
  images: readonly ServedImage[],
  folder: string,
): Promise<ExportServer> {
  const servers = await Promise.all(images.map(async ({ target, path, format }) => {
    const socketPath = `${folder}/${target}.sock`;
    const daemon = await system.processes.start(
      [
        "qemu-nbd",
        "--read-only",
        "--persistent",
        "--shared=16",
        `--socket=${socketPath}`,
        `--export-name=${target}`,
        "--image-opts",
        imageOptions(path, format),
      ],
      `${folder}/${target}.qemu-nbd.log`,
    );
    return { target, path, socketPath, daemon };
  }));
  const stop = async () => {
    for (const { daemon } of servers) daemon.kill();
    await Promise.all(servers.map(({ daemon }) => daemon.exited));
  };
  try {
    for (const server of servers) await socketOf(server);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    exports: servers.map(({ target, socketPath }) => ({ target, socketPath, exportName: target })),
    stop,
  };

  async function socketOf({ target, path, socketPath, daemon }: (typeof servers)[number]) {
    let status: number | undefined;
    daemon.exited.then((code) => status = code);
    const until = system.clock.monotonic() + 10_000;
    while (await system.files.inspect(socketPath) === undefined) {
      if (status !== undefined || system.clock.monotonic() > until) {
        const log = await system.files.readText(`${folder}/${target}.qemu-nbd.log`);
        throw new VmbError(
          `Image "${path}" cannot be served: ${log.trim() || `qemu-nbd ended with ${status}`}`,
          { code: "capture.export" },
        );
      }
      await system.clock.sleep(10);
    }
  }
}

/** QEMU's image options (qemu(1), `--image-opts`); a comma in a value is written twice. */
function imageOptions(path: string, format: string): string {
  const isDevice = path.startsWith("/dev/");
  return [
    `driver=${format}`,
    "force-share=on",
    `file.driver=${isDevice ? "host_device" : "file"}`,
    `file.filename=${path.replaceAll(",", ",,")}`,
  ].join(",");
}
