import assert from "node:assert/strict";
import {
  type Configuration,
  loadConfiguration,
  type SettingFlags,
} from "../../../core/config/configuration.ts";
import { ConfigError } from "../../../core/error.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
import type { System } from "../../../core/sys/system.ts";

export interface Setup {
  readonly conf?: string | Uint8Array;
  readonly list?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: SettingFlags;
  readonly hostName?: string;
  /** Changes the folder before it is read. */
  readonly prepare?: (folder: string) => Promise<void>;
}

/** The real doors, but for the environment and the name of the machine. */
export function systemWith(
  env: Readonly<Record<string, string>>,
  hostName = "hv1.lab.example",
): Pick<System, "files" | "host"> {
  return {
    files: systemFiles,
    host: { ...systemHost, env: (name) => env[name], name: () => hostName },
  };
}

/** Loads a configuration from a temporary folder. */
export async function load(setup: Setup): Promise<Configuration> {
  const folder = await Deno.makeTempDir();
  try {
    if (setup.conf !== undefined) {
      const bytes = typeof setup.conf === "string"
        ? new TextEncoder().encode(setup.conf)
        : setup.conf;
      await Deno.writeFile(`${folder}/vm-backup.conf`, bytes, { mode: 0o640 });
    }
    if (setup.list !== undefined) {
      await Deno.writeTextFile(`${folder}/vm-list.yaml`, setup.list, { mode: 0o640 });
    }
    await setup.prepare?.(folder);
    const system = systemWith({ VMB_CONFIG_DIR: folder, ...setup.env }, setup.hostName);
    return await loadConfiguration(system, { flags: setup.flags ?? {} });
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(`${folder}/`, "");
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The problems of a configuration that must not load, each as `place: message | hint`. */
export async function problemsOf(setup: Setup): Promise<readonly string[]> {
  try {
    await load(setup);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.exit, 4);
    if (error.hint === undefined) return error.message.replaceAll("\n  hint: ", " | ").split("\n");
    return [`${error.message} | ${error.hint}`];
  }
  throw new Error("The configuration loaded, but has problems");
}
