import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Guest } from "../lab/guest.ts";
import type { Hypervisor } from "../lab/hypervisor.ts";
import { withPullExport } from "./pull_export.ts";
import { pushToQcow2 } from "./push_job.ts";
import { secondsOf } from "./stopwatch.ts";
import { backUp, type VmbBackup, type VmbProgram, writeConfiguration } from "./vmb_program.ts";

/** One way to make a durable copy of the guest's disk. */
export interface Contender {
  readonly name: ContenderName;
  readonly text: string;
  /** The program that must be installed. */
  readonly program?: string;
  /** Measured in one round only: it is there for information. */
  readonly once?: true;
  /** Why it cannot be measured here. */
  readonly obstacle?: string;
  /** @param folder an empty one, for whatever it makes */
  run(folder: string): Promise<Copy>;
}

export type ContenderName =
  | "vmb"
  | "vmb-verified"
  | "vmb-zstd"
  | "vmb-rated"
  | "vmb-rated-verified"
  | "nbdcopy"
  | "convert"
  | "convert-zstd"
  | "push"
  | "virtnbdbackup";

export interface Copy {
  readonly seconds: number;
  /** `undefined` when it has a format of its own, which nothing else reads. */
  readonly image?: { readonly path: string; readonly format: "qcow2" | "raw" };
  readonly vmb?: VmbBackup;
}

export interface Arena {
  readonly hypervisor: Hypervisor;
  readonly guest: Guest;
  readonly vmb: VmbProgram;
  /** A share that is as slow as a network; or why there is none. */
  readonly rated: { readonly path: string } | { readonly obstacle: string };
}

/**
 * All contenders. Where one only copies an export, the job that makes the export is not timed: this
 * favours it over vmb, whose whole run is.
 */
export async function contenders(
  { hypervisor, guest, vmb, rated }: Arena,
): Promise<readonly Contender[]> {
  const { env } = hypervisor;
  const share = `${hypervisor.lab.folder}/share`;
  const plain = await writeConfiguration(hypervisor, guest, { share, compression: "none" });
  const packed = await writeConfiguration(hypervisor, guest, { share, compression: "zstd" });
  const slow = "path" in rated
    ? await writeConfiguration(hypervisor, guest, { share: rated.path, compression: "none" })
    : "";
  const notRated = "obstacle" in rated ? { obstacle: rated.obstacle } : {};
  const byVmb = async (configFolder: string, readBack: boolean): Promise<Copy> => {
    const backup = await backUp(vmb, guest, { configFolder, readBack, env });
    const { folder, manifest } = backup.outcome;
    const path = `${folder}/${manifest.disks[0]?.file}`;
    return { seconds: backup.seconds, image: { path, format: "qcow2" }, vmb: backup };
  };
  const convert = (folder: string, options: readonly string[]): Promise<Copy> => {
    const path = `${folder}/convert.qcow2`;
    return withPullExport(hypervisor, guest, async (uri) => ({
      image: { path, format: "qcow2" },
      seconds: await secondsOf(async () => {
        await run("qemu-img", "convert", ...options, "-f", "raw", "-O", "qcow2", uri, path);
        await run("sha256sum", path);
        await run("sync", "-f", path);
      }),
    }));
  };
  return [
    {
      name: "vmb",
      text: "vmb hv backup --no-verify",
      run: () => byVmb(plain, false),
    },
    {
      name: "nbdcopy",
      text: "nbdcopy --flush to raw",
      program: "nbdcopy",
      run: (folder) =>
        withPullExport(hypervisor, guest, async (uri) => {
          const path = `${folder}/nbdcopy.raw`;
          const seconds = await secondsOf(() => run("nbdcopy", "--flush", uri, path));
          return { seconds, image: { path, format: "raw" } };
        }),
    },
    {
      name: "vmb-verified",
      text: "vmb hv backup, with the read-back",
      run: () => byVmb(plain, true),
    },
    {
      name: "convert",
      text: "qemu-img convert -W -m16 + sha256sum",
      run: (folder) => convert(folder, ["-W", "-m", "16"]),
    },
    {
      name: "push",
      text: "push mode to qcow2 (no checksum)",
      async run(folder) {
        const path = `${folder}/push.qcow2`;
        const seconds = await secondsOf(async () => {
          await pushToQcow2(hypervisor, guest, path);
          await run("sync", "-f", path);
        });
        return { seconds, image: { path, format: "qcow2" } };
      },
    },
    {
      name: "virtnbdbackup",
      text: "virtnbdbackup -l copy",
      program: "virtnbdbackup",
      async run(folder) {
        const seconds = await secondsOf(async () => {
          await run(
            ...["virtnbdbackup", "-U", hypervisor.uri, "-d", guest.name, "-l", "copy"],
            ...["--noprogress", "-S", folder, "-o", `${folder}/copy`],
          );
          await run("sync", "-f", folder);
        });
        return { seconds };
      },
    },
    {
      name: "vmb-zstd",
      text: "vmb, COMPRESSION=zstd, --no-verify",
      once: true,
      run: () => byVmb(packed, false),
    },
    {
      name: "vmb-rated",
      text: "vmb, share of 100 MB/s, --no-verify",
      ...notRated,
      run: () => byVmb(slow, false),
    },
    {
      name: "vmb-rated-verified",
      text: "vmb, share of 100 MB/s",
      ...notRated,
      run: () => byVmb(slow, true),
    },
    {
      name: "convert-zstd",
      text: "qemu-img convert -c, zstd, + sha256sum",
      once: true,
      run: (folder) => convert(folder, ["-W", "-m", "16", "-c", "-o", "compression_type=zstd"]),
    },
  ];

  async function run(program: string, ...args: readonly string[]): Promise<void> {
    await runOk(systemProcesses, [program, ...args], { env, timeoutMs: 1_800_000 });
  }
}
