import { VmbError } from "../../core/error.ts";
import { systemProcesses } from "../../core/sys/process.ts";
import { guestType } from "./acceleration.ts";
import { makeDataDisk } from "./guest_disk.ts";
import { buildGuestImage, type GuestImage } from "./guest_image.ts";
import { type GuestDisk, writeGuestXml } from "./guest_xml.ts";
import type { Hypervisor } from "./hypervisor.ts";
import { attachLoop, whyNoLoop } from "./loop.ts";
import { waitFor } from "./wait.ts";

/**
 * - `one-disk`: vda is qcow2.
 * - `two-disks`: vda is qcow2, vdb is raw; records are written to both in turn.
 * - `block`: vda is a block device (see `whyNoLoop`).
 * - `uefi`: like one-disk, started by OVMF, with a file of variables.
 * - `no-agent`: like one-disk, without a channel for the agent.
 * - `shut-off`: like one-disk; nobody starts it.
 */
export type GuestKind = "block" | "no-agent" | "one-disk" | "shut-off" | "two-disks" | "uefi";

export interface GuestOptions {
  /** The domain's name; the lab's prefix is put before it, unless `exactName` is set. */
  readonly name: string;
  readonly exactName?: boolean;
  readonly kind?: GuestKind;
  /** What the guest does; default `records`. */
  readonly workload?: "idle" | "records" | "stall";
  /** `check`: the guest only checks the records it finds and says so on its console. */
  readonly mode?: "check";
  /** Size of each data disk; default 64 MiB. */
  readonly sizeMiB?: number;
  /** Random data laid on the first disk beforehand; default none. */
  readonly dataMiB?: number;
  readonly memoryMiB?: number;
  /** libvirt networks that it has an interface on; it asks each for an address. */
  readonly networks?: readonly string[];
  readonly screen?: boolean;
  /** How an iothread serves its disks; default none does. */
  readonly iothread?: "virtio-blk" | "virtio-scsi";
  /** Disks that a backup leaves out. */
  readonly extraDisks?: readonly ("cdrom" | "readonly" | "shareable")[];
  /** Build of the kernel and initramfs; by default the one kept in `tests/lab/cache`. */
  readonly image?: GuestImage;
}

/** A libvirt domain with a tiny Linux in it; it goes away with its lab. */
export interface Guest extends AsyncDisposable {
  readonly name: string;
  readonly kind: GuestKind;
  /** Folder of all of its files. */
  readonly folder: string;
  readonly disks: readonly GuestDisk[];
  readonly nvram: string | undefined;
  readonly consoleLog: string;
  start(): Promise<void>;
  /** Waits until the agent answers; returns the milliseconds since `start`. Default deadline 60 s. */
  waitForAgent(deadlineMs?: number): Promise<number>;
  /** Waits for a line written to the console since `start`. Default deadline 60 s. */
  waitForConsole(pattern: RegExp, deadlineMs?: number): Promise<RegExpExecArray>;
  /** Runs an agent command without arguments and returns what it returned. */
  askAgent(command: string): Promise<unknown>;
  /** libvirt's word: `running`, `paused`, `shut off`. */
  state(): Promise<string>;
  /** Shuts down by the agent and waits until the domain is off. Default deadline 30 s. */
  shutdown(deadlineMs?: number): Promise<void>;
  /** Pulls the plug; nothing happens when the domain is off. */
  destroy(): Promise<void>;
  /** Destroys and undefines the domain and deletes its files. */
  remove(): Promise<void>;
}

/**
 * Makes and defines a guest; `start` boots it.
 *
 * @throws {VmbError} `lab.missing` and its like when the machine lacks something; `lab.no-loop`
 */
export async function createGuest(hypervisor: Hypervisor, options: GuestOptions): Promise<Guest> {
  const { kind = "one-disk", workload = "records", mode, memoryMiB = 192 } = options;
  const { lab, virsh } = hypervisor;
  const name = options.exactName === true ? options.name : `${lab.prefix}-${options.name}`;
  const image = options.image ?? await buildGuestImage();
  const type = await guestType();
  const folder = await Deno.makeTempDir({ dir: lab.folder, prefix: "guest-" });
  await Deno.chmod(folder, 0o711);
  // The qemu user may not reach the cache, and libvirt changes the owner of what a domain uses.
  const kernel = `${folder}/vmlinuz`;
  const initramfs = `${folder}/initramfs`;
  await Deno.copyFile(image.kernel, kernel);
  await Deno.copyFile(image.initramfs, initramfs);
  const disks = [
    ...await makeDataDisks(hypervisor, folder, options),
    ...await makeExtras(folder, options),
  ];
  const consoleLog = `${folder}/console.log`;
  const nvram = kind === "uefi" ? `${folder}/nvram.fd` : undefined;
  const xml = writeGuestXml({
    ...{ name, type, memoryMiB, kernel, initramfs, disks, consoleLog, nvram },
    words: [`vmb.workload=${workload}`, ...mode === undefined ? [] : [`vmb.mode=${mode}`]],
    agent: kind !== "no-agent",
    networks: options.networks,
    screen: options.screen,
    iothread: options.iothread,
  });
  await Deno.writeTextFile(`${folder}/domain.xml`, xml);
  await virsh("define", "--validate", `${folder}/domain.xml`);

  let begun = performance.now();
  let logOffset = 0;
  const readConsole = async () =>
    (await Deno.readTextFile(consoleLog).catch(() => "")).slice(logOffset);
  const evidence = async () => {
    const tail = (await readConsole()).trimEnd().split("\n").slice(-15).join("\n");
    return `Domain '${name}' is ${await guest.state()}; its console ends with:\n${tail}`;
  };
  const waitForConsole: Guest["waitForConsole"] = (pattern, deadlineMs = 60_000) =>
    waitFor(async () => pattern.exec(await readConsole()) ?? undefined, {
      ...{ what: `${pattern} on the console of '${name}'`, deadlineMs, evidence },
    });
  const askAgent = async (command: string): Promise<unknown> => {
    const asked = JSON.stringify({ execute: command });
    const answer = await virsh("qemu-agent-command", "--timeout", "10", "--domain", name, asked);
    return JSON.parse(answer).return;
  };
  let removing: Promise<void> | undefined;
  const guest: Guest = {
    ...{ name, kind, folder, disks, nvram, consoleLog, waitForConsole, askAgent },
    async start() {
      logOffset = (await Deno.readTextFile(consoleLog).catch(() => "")).length;
      begun = performance.now();
      await virsh("start", "--domain", name);
    },
    async waitForAgent(deadlineMs = 60_000) {
      await waitForConsole(/VMB-AGENT/, deadlineMs);
      await waitFor(() => askAgent("guest-ping").then(() => true, () => undefined), {
        ...{ what: `an answer of the agent of '${name}'`, deadlineMs, evidence },
      });
      return Math.round(performance.now() - begun);
    },
    state: async () => (await virsh("domstate", "--domain", name)).trim(),
    async shutdown(deadlineMs = 30_000) {
      // An agent that is gone before it could answer has done what it was told: the state tells.
      await virsh("shutdown", "--mode", "agent", "--domain", name).catch(() => {});
      await waitFor(async () => await guest.state() === "shut off" ? true : undefined, {
        ...{ what: `the end of '${name}'`, deadlineMs, evidence },
      });
    },
    async destroy() {
      if (await guest.state() !== "shut off") await virsh("destroy", "--domain", name);
    },
    remove: () => removing ??= removeGuest(hypervisor, name, folder),
    [Symbol.asyncDispose]: () => guest.remove(),
  };
  lab.defer(guest.remove);
  return guest;
}

async function makeDataDisks(
  { lab }: Hypervisor,
  folder: string,
  { kind, sizeMiB = 64, dataMiB = 0 }: GuestOptions,
): Promise<readonly GuestDisk[]> {
  const make = async (
    target: string,
    format: "qcow2" | "raw",
    data: number,
  ): Promise<GuestDisk> => {
    const path = `${folder}/${target}.${format}`;
    await makeDataDisk({ path, format, sizeMiB, dataMiB: data });
    return { target, path, format, type: "file", role: "data" };
  };
  switch (kind) {
    case "two-disks":
      return [await make("vda", "qcow2", dataMiB), await make("vdb", "raw", 0)];
    case "block": {
      const reason = await whyNoLoop();
      if (reason !== undefined) {
        throw new VmbError(`No block device for a guest: ${reason}`, { code: "lab.no-loop" });
      }
      const file = await make("vda", "raw", dataMiB);
      return [{ ...file, path: await attachLoop(lab, file.path), type: "block" }];
    }
    default:
      return [await make("vda", "qcow2", dataMiB)];
  }
}

async function makeExtras(folder: string, options: GuestOptions): Promise<readonly GuestDisk[]> {
  const extras: GuestDisk[] = [];
  for (const [index, role] of (options.extraDisks ?? []).entries()) {
    const path = `${folder}/extra${index}.img`;
    await Deno.writeFile(path, new Uint8Array(1024 * 1024));
    // vdb is what the guest mounts as its second data disk.
    const target = role === "cdrom" ? `sd${letter(index)}` : `vd${letter(index + 2)}`;
    extras.push({ target, path, format: "raw", type: "file", role });
  }
  return extras;
}

async function removeGuest({ uri, env }: Hypervisor, name: string, folder: string): Promise<void> {
  const virsh = (...args: string[]) =>
    systemProcesses.run(["virsh", "--quiet", "--connect", uri, ...args], { env });
  await virsh("destroy", "--domain", name);
  await virsh(
    ...["undefine", "--domain", name, "--nvram", "--managed-save"],
    ...["--snapshots-metadata", "--checkpoints-metadata"],
  );
  await Deno.remove(folder, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

function letter(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + index);
}
