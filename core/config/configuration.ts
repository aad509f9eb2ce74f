import { type ConfigProblem, exitCodes, VmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Host } from "../sys/host.ts";
import type { System } from "../sys/system.ts";
import { readConfigText } from "./config_text.ts";
import { type Assignment, parseKeyValue } from "./key_value.ts";
import { configError, inFileOrder, problemLine } from "./problem.ts";
import { type Offer, type Origin, resolveSettings, unknownKeys } from "./resolve_settings.ts";
import { type SettingKey, type Settings, settingTable } from "./settings.ts";
import { pathFault } from "./trusted_path.ts";
import { programProblems } from "./trusted_programs.ts";
import { parseVmList, unlistedVm, type VmEntry } from "./vm_list.ts";

/** Where the configuration lies unless `VMB_CONFIG_DIR` says otherwise. */
export const defaultFolder = "/opt/vm-backup/config";

/** Names of the files in the folder of the configuration. */
export const settingsFile = "vm-backup.conf";
export const vmListFile = "vm-list.yaml";

/** The configuration of a hypervisor. */
export interface Configuration {
  readonly settings: Settings;
  /** In the order of the file. */
  readonly vms: readonly VmEntry[];
  readonly origins: ReadonlyMap<SettingKey, Origin>;
  /** One sentence each. */
  readonly warnings: readonly string[];
  readonly folder: string;
}

/** Settings given on the command line: for a key, the flag (`--bwlimit`) and the text after it. */
export type SettingFlags = {
  readonly [Key in SettingKey]?: { readonly flag: string; readonly text: string };
};

/**
 * Loads `vm-backup.conf` and `vm-list.yaml` from `VMB_CONFIG_DIR`, by default `/opt/vm-backup/config`.
 * For each key a flag wins over the variable `VMB_<KEY>`, that over the file, that over the default.
 * Files that are missing are as empty ones.
 *
 * Whoever can change one of these files, or a program that they name, could do anything as root: so such files
 * are refused.
 *
 * @throws {ConfigError} with all problems of both files and of the environment together
 * @throws {VmbError} `usage.setting` (exit 2) for the text of a flag, `config.unreadable` (exit 5)
 */
export async function loadConfiguration(
  system: Pick<System, "files" | "host">,
  overrides: { readonly flags?: SettingFlags } = {},
): Promise<Configuration> {
  const { files, host } = system;
  const { flags = {} } = overrides;
  const folder = await configurationFolder(system);
  const settingsPath = `${folder}/${settingsFile}`;
  const vmListPath = `${folder}/${vmListFile}`;
  const [conf, list] = await Promise.all([
    readConfigText(files, settingsPath),
    readConfigText(files, vmListPath),
  ]);

  const lines = parseKeyValue(conf.kind === "text" ? conf.text : "", settingsPath);
  const resolved = resolveSettings((key, fallback) => {
    const given = offersFor(key, { path: settingsPath, lines: lines.assignments, host, flags });
    if (given.length > 0) return given;
    const text = fallback ?? host.name().split(".")[0] ?? "";
    return [{ text, origin: { source: "default" }, place: { source: key } }];
  });
  refuseFlags(resolved.problems, flags);

  const vmList = list.kind === "text"
    ? await parseVmList(list.text, vmListPath)
    : { vms: [], problems: [] };
  const problems = [
    ...(conf.kind === "problem" ? [conf.problem] : []),
    ...inFileOrder([
      ...lines.problems,
      ...unknownKeys(lines.assignments, settingsPath),
      ...resolved.problems.filter(({ source }) => source === settingsPath),
    ]),
    ...resolved.problems.filter(({ source }) => source !== settingsPath),
    ...(list.kind === "problem" ? [list.problem] : []),
    ...vmList.problems,
  ];
  const { settings, origins } = resolved;
  const trusted = [
    ...await untrusted(system, [settingsPath, vmListPath]),
    ...await programProblems(
      system,
      vmList.vms.filter(({ hypervisor }) => hypervisor === settings.hypervisorName),
      vmListPath,
    ),
  ];
  problems.push(...trusted);
  if (problems.length > 0) throw configError(problems);

  const secretLine = Object.values(settingTable).some(({ key, secret }) =>
    secret && lines.assignments.some((line) => line.key === key && line.value !== "")
  );
  const warnings = [
    ...(conf.kind === "text" ? modeWarnings(settingsPath, conf.mode, secretLine) : []),
  ];
  return { settings, vms: vmList.vms, origins, warnings, folder };
}

/** The entry of a VM, or the defaults for one that `vm-list.yaml` does not list. */
export function vmEntry(
  configuration: Pick<Configuration, "settings" | "vms">,
  name: string,
): VmEntry {
  return configuration.vms.find((vm) => vm.name === name) ??
    unlistedVm(name, configuration.settings.hypervisorName);
}

async function configurationFolder(system: Pick<System, "files" | "host">): Promise<string> {
  const named = system.host.env("VMB_CONFIG_DIR");
  if (named === undefined || named === "") return defaultFolder;
  const info = await system.files.inspectTarget(named);
  const reason = !named.startsWith("/")
    ? "expected an absolute path"
    : info === undefined
    ? "no such folder"
    : info.kind !== "directory"
    ? "expected a folder"
    : undefined;
  if (reason === undefined) return named.replace(/(?<=.)\/+$/, "");
  throw configError([{
    source: "VMB_CONFIG_DIR",
    message: `Cannot use ${quoted(named)} as folder of the configuration: ${reason}`,
    hint: `Make the folder, or unset VMB_CONFIG_DIR to use ${defaultFolder}`,
  }]);
}

/** What file, environment and flags say of a key, in rising order of precedence. */
function offersFor(
  key: SettingKey,
  { path, lines, host, flags }: {
    readonly path: string;
    readonly lines: readonly Assignment[];
    readonly host: Pick<Host, "env">;
    readonly flags: SettingFlags;
  },
): readonly Offer[] {
  const offers: Offer[] = [];
  const assignment = lines.find((each) => each.key === key);
  if (assignment !== undefined) {
    const { value, line, valueColumn } = assignment;
    offers.push({
      text: value,
      origin: { source: "file", where: `${path}:${line}` },
      place: { source: path, line, column: valueColumn },
    });
  }
  const variable = `VMB_${key}`;
  const text = host.env(variable);
  if (text !== undefined) {
    const origin = { source: "environment", where: variable } as const;
    offers.push({ text, origin, place: { source: variable } });
  }
  const given = flags[key];
  if (given !== undefined) {
    const origin = { source: "flag", where: given.flag } as const;
    offers.push({ text: given.text, origin, place: { source: given.flag } });
  }
  return offers;
}

/** What was typed wrong is an error of usage, not of the configuration. */
function refuseFlags(problems: readonly ConfigProblem[], flags: SettingFlags): void {
  const names = Object.values(flags).map(({ flag }) => flag);
  const problem = problems.find(({ source }) => names.includes(source));
  if (problem === undefined) return;
  throw new VmbError(problemLine(problem), {
    code: "usage.setting",
    exit: exitCodes.usage,
    hint: problem.hint,
  });
}

/** Of the files and of all folders on the way to them; what both have in common is said once. */
async function untrusted(
  { files, host }: Pick<System, "files" | "host">,
  paths: readonly string[],
): Promise<readonly ConfigProblem[]> {
  const problems = new Map<string, ConfigProblem>();
  for (const path of paths) {
    const fault = await pathFault(files, path, host.uid());
    if (fault === undefined || problems.has(fault.reason)) continue;
    const message = `Cannot trust this file: ${fault.reason}`;
    problems.set(fault.reason, { source: path, message, hint: fault.hint });
  }
  return [...problems.values()];
}

function modeWarnings(path: string, mode: number, secret: boolean): readonly string[] {
  const shown = mode.toString(8).padStart(4, "0");
  if (secret && (mode & 0o004) !== 0) {
    return [
      `${path} has a Slack webhook and can be read by every user (mode ${shown}): ` +
      "run chmod o-r on it",
    ];
  }
  return [];
}
