import { connectNbd } from "../nbd/client.ts";
import type { Connection, Network } from "../sys/network.ts";
import type { DiskExport } from "../image/disk_export.ts";
import type { CapturedDisk } from "./capture.ts";

/**
 * The connections of a capture. It alone opens and closes them, and lends them to the copy.
 *
 * QEMU before 8.2.3 aborts, and the VM with it, when the connection to an export in an iothread is closed while
 * the export is there (`nbd_blockdev_client_closed`). So no error, signal or time-out may close one of these:
 * only `close` does, which the capture calls when its backup job has ended.
 */
export class CaptureConnections {
  readonly #network: Pick<Network, "connectUnix">;
  readonly #open: Connection[] = [];
  #closed = false;

  constructor(network: Pick<Network, "connectUnix">) {
    this.#network = network;
  }

  /** Connects to each export. Whatever fails, those that were opened stay open. */
  open(exports: readonly DiskExport[]): Promise<readonly CapturedDisk[]> {
    return Promise.all(exports.map(async ({ target, socketPath, exportName }) => ({
      target,
      client: await connectNbd({
        network: this.#network,
        socketPath,
        exportName,
        metaContexts: ["base:allocation"],
        keep: (connection) => this.#keep(connection),
      }),
    })));
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#open.splice(0)) connection.close();
  }

  #keep(connection: Connection): void {
    if (this.#closed) connection.close();
    else this.#open.push(connection);
  }
}
