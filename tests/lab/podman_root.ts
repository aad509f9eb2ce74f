import { fileURLToPath } from "node:url";
import { type Argv, type Completed, runOk, systemProcesses } from "../../core/sys/process.ts";

/** Programs of Debian 13, run in place: podman 5.4.2 with its quadlet, systemd 257, nginx. No service starts. */
export interface PodmanRoot {
  readonly path: string;
  /** Runs a program there; `folders` of this machine are seen at the places that are their keys. */
  run(
    argv: Argv,
    options?: {
      readonly stdin?: string | Uint8Array;
      readonly env?: Readonly<Record<string, string>>;
      readonly folders?: Readonly<Record<string, string>>;
    },
  ): Promise<Completed>;
}

const path = "/var/tmp/vmb-trixie-podman";
const packages = ["base-files", "base-passwd", "podman", "systemd", "nginx-light"];
const keyrings = "/usr/share/keyrings";
const script = fileURLToPath(new URL("in_root.sh", import.meta.url));

/** Unpacks the packages with all that they need, and keeps them in /var/tmp for the next time. */
export async function podmanRoot(): Promise<PodmanRoot> {
  if (!await exists(path)) await unpack();
  return {
    path,
    run: (argv, { folders = {}, ...options } = {}) =>
      systemProcesses.run([
        ...["unshare", "--mount", "sh", script, path] as const,
        ...Object.entries(folders).map(([to, from]) => `${from}:${to}`),
        ...["--", ...argv],
      ], options),
  };
}

async function unpack(): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: "vmb-trixie-podman." });
  try {
    await Deno.chmod(folder, 0o755);
    await runOk(systemProcesses, [
      "mmdebstrap",
      ...["--quiet", "--variant=extract", `--include=${packages.join(",")}`],
      ...await exists(`${keyrings}/debian-archive-keyring.gpg`) ? [] : ["--keyring", keyrings],
      ...["trixie", folder],
    ], { timeoutMs: 900_000 });
    // Not one script of a package ran, so nobody has made these of their masters.
    for (const name of ["passwd", "group"]) {
      await Deno.copyFile(
        `${folder}/usr/share/base-passwd/${name}.master`,
        `${folder}/etc/${name}`,
      );
    }
    // Whoever comes second keeps what the first one made.
    await Deno.rename(folder, path).catch(async (error) => {
      if (!await exists(path)) throw error;
    });
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
