import { loadConfiguration, settingsFile, vmListFile } from "../config/configuration.ts";
import { exitCodes, VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import { places } from "./places.ts";

/** A file that comes from the control VM, and where it goes. */
export interface PushedFile {
  /** Its name in the folder that it comes in. */
  readonly name: string;
  readonly path: string;
  readonly mode: number;
  readonly content: string;
}

/** Names that a folder of pushed files may hold, and where each goes. */
export const pushedPlaces = {
  [settingsFile]: { path: `${places.config}/${settingsFile}`, mode: 0o640 },
  [vmListFile]: { path: `${places.config}/${vmListFile}`, mode: 0o640 },
  // The program's launcher reads it, whoever starts it: a unit, the File Daemon, a person.
  "unpack-dir": { path: `${places.config}/unpack-dir`, mode: 0o644 },
  // Before the file that includes it.
  "vmb-fd-password": { path: places.fileDaemonPassword, mode: 0o600 },
  "bacula-fd.conf": { path: places.fileDaemonConfig, mode: 0o640 },
} as const;

export type PushedName = keyof typeof pushedPlaces;

/**
 * Reads the files that were pushed into a folder, and finds out whether vmb and Bacula will take them.
 *
 * @throws {ConfigError} with the problems of the configuration
 * @throws {VmbError} `install.from` when there is no such folder, `install.fd-config` (exit 4)
 */
export async function readPushed(
  system: Pick<System, "files" | "host" | "processes">,
  folder: string,
): Promise<readonly PushedFile[]> {
  const { files, host } = system;
  if ((await files.inspectTarget(folder))?.kind !== "directory") {
    throw new VmbError(`Cannot install from "${folder}": expected a folder`, {
      code: "install.from",
      exit: exitCodes.usage,
    });
  }
  const pushed: PushedFile[] = [];
  for (const [name, { path, mode }] of Object.entries(pushedPlaces)) {
    const source = `${folder}/${name}`;
    if (await files.inspectTarget(source) === undefined) continue;
    pushed.push({ name, path, mode, content: await files.readText(source) });
  }
  if (pushed.some(({ name }) => name === settingsFile || name === vmListFile)) {
    const env = (name: string) =>
      name === "VMB_CONFIG_DIR" ? folder : name.startsWith("VMB_") ? undefined : host.env(name);
    await loadConfiguration({ files, host: { ...host, env } });
  }
  await checkFileDaemon(system, folder, pushed);
  return pushed;
}

/** Asks the File Daemon itself, where it is installed. */
async function checkFileDaemon(
  { files, processes }: Pick<System, "files" | "processes">,
  folder: string,
  pushed: readonly PushedFile[],
): Promise<void> {
  const config = pushed.find(({ path }) => path === places.fileDaemonConfig);
  if (config === undefined) return;
  const password = pushed.find(({ path }) => path === places.fileDaemonPassword);
  const copy = `${folder}/checked-fd.conf`;
  const content = password === undefined
    ? config.content
    : config.content.replaceAll(`@${password.path}`, `@${folder}/${password.name}`);
  await files.write(copy, content);
  const tested = await processes.run(["bacula-fd", "-t", "-c", copy]).catch((error) => {
    if (error instanceof VmbError && error.code === "process.missing") return undefined;
    throw error;
  });
  await files.remove(copy);
  if (tested === undefined || tested.code === 0) return;
  const said = (tested.stdout + tested.stderr).trim().split("\n").slice(0, 3).join(" | ");
  throw new VmbError(`The File Daemon does not take its new configuration: ${said}`, {
    code: "install.fd-config",
    exit: exitCodes.config,
    hint: "Nothing was changed; its version may be older than the configuration is made for",
  });
}
