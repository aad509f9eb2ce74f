import { runOk, systemProcesses } from "../../core/sys/process.ts";
import type { Completed } from "../../core/sys/process.ts";

/** Releases of Bacula, by the release of Debian that has them. */
export const baculaReleases = { "9.6.7": "bookworm", "15.0.3": "trixie" } as const;
export type BaculaRelease = keyof typeof baculaReleases;

/** The programs of one release of Bacula, run in place: nothing is installed, and no service starts. */
export interface BaculaTools {
  readonly release: BaculaRelease;
  /** Folder of the unpacked packages; scripts of the package are below `usr/share`. */
  readonly root: string;
  /** The words that start a program of `usr/sbin`. */
  argv(program: string, ...args: readonly string[]): readonly [string, ...string[]];
  run(program: string, ...args: readonly string[]): Promise<Completed>;
}

const packages = [
  // Has the links from /lib to /usr/lib, through which the loader is found.
  "base-files",
  ...["bacula-director", "bacula-director-pgsql", "bacula-sd", "bacula-fd", "bacula-console"],
];
const mirror = "http://deb.debian.org/debian";
const keyrings = "/usr/share/keyrings";

/** Unpacks the packages of a release with all that they need, and keeps them in /var/tmp for the next time. */
export async function baculaTools(release: BaculaRelease): Promise<BaculaTools> {
  const suite = baculaReleases[release];
  const root = `/var/tmp/vmb-bacula-${suite}`;
  if (!await exists(root)) await unpack(suite, root);

  function argv(program: string, ...args: readonly string[]): readonly [string, ...string[]] {
    const libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/bacula"].map((path) =>
      `${root}/${path}`
    );
    return [
      `${root}/lib64/ld-linux-x86-64.so.2`,
      ...["--library-path", libraries.join(":"), `${root}/usr/sbin/${program}`, ...args],
    ];
  }

  return {
    release,
    root,
    argv,
    run: (program, ...args) => systemProcesses.run(argv(program, ...args), { timeoutMs: 60_000 }),
  };
}

async function unpack(suite: string, root: string): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/var/tmp", prefix: `vmb-bacula-${suite}.` });
  try {
    await Deno.chmod(folder, 0o755);
    await runOk(systemProcesses, [
      "mmdebstrap",
      ...["--quiet", "--variant=extract", `--include=${packages.join(",")}`],
      ...await exists(`${keyrings}/debian-archive-keyring.gpg`) ? [] : ["--keyring", keyrings],
      ...[suite, folder, mirror],
    ], { timeoutMs: 900_000 });
    // Whoever comes second keeps what the first one made.
    await Deno.rename(folder, root).catch(async (error) => {
      if (!await exists(root)) throw error;
    });
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

/**
 * Takes out of a configuration what came after 9.6: encryption without certificates, the folders that a
 * Director may reach, and limits of scripts. vmb itself renders for 15.0.2 and later only.
 */
export function forRelease(release: BaculaRelease, config: string): string {
  if (release !== "9.6.7") return config;
  return config.replace(
    /^ *(TLS Require|Allowed (Script|Backup) Directories|Timeout) = .*\n/gm,
    "",
  );
}
