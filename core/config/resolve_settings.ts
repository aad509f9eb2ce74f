import type { ConfigProblem } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import { closest } from "./closest.ts";
import type { Assignment } from "./key_value.ts";
import {
  isSettingKey,
  type Setting,
  type SettingKey,
  settingKeys,
  type Settings,
  settingTable,
} from "./settings.ts";

/** Where the value of a key comes from. */
export interface Origin {
  readonly source: "default" | "file" | "environment" | "flag";
  /** `path:line`, the variable, or the flag. */
  readonly where?: string;
}

/** A text offered for a key; of several, the last one offered counts. */
export interface Offer {
  readonly text: string;
  readonly origin: Origin;
  /** What a problem of the text is blamed on. */
  readonly place: Pick<ConfigProblem, "source" | "line" | "column">;
}

export interface ResolvedSettings {
  /** Complete unless there are problems. */
  readonly settings: Settings;
  readonly origins: ReadonlyMap<SettingKey, Origin>;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Chooses and reads the value of every setting. All offers are read, so that a bad line is found even
 * while a variable overrides it.
 *
 * @param offers for each key, in rising order of precedence; the default when nothing else is offered
 */
export function resolveSettings(
  offers: (key: SettingKey, fallback: string | undefined) => readonly Offer[],
): ResolvedSettings {
  const values: Partial<Record<keyof Settings, unknown>> = {};
  const origins = new Map<SettingKey, Origin>();
  const places = new Map<SettingKey, Offer["place"]>();
  const problems: ConfigProblem[] = [];
  for (const [name, setting] of Object.entries(settingTable)) {
    for (const offer of offers(setting.key, setting.fallback)) {
      const parsed = setting.type.parse(offer.text);
      if ("reason" in parsed) {
        problems.push({
          ...offer.place,
          message: `${cannotUse(setting, offer.text)}: ${parsed.reason}`,
          hint: parsed.hint ??
            (offer.origin.source === "default"
              ? `Set ${setting.key} in vm-backup.conf`
              : undefined),
        });
        continue;
      }
      values[name as keyof Settings] = parsed.value;
      origins.set(setting.key, offer.origin);
      if (offer.origin.source !== "default") places.set(setting.key, offer.place);
    }
  }
  const settings = values as Settings;
  return {
    settings,
    origins,
    problems: [
      ...problems,
      ...(problems.length === 0
        ? [...localFolders(settings, places), ...longScratch(settings, places)]
        : []),
    ],
  };
}

/** Problems of lines whose key is none. */
export function unknownKeys(
  assignments: readonly Assignment[],
  source: string,
): readonly ConfigProblem[] {
  return assignments.filter(({ key }) => !isSettingKey(key)).map(({ key, line, keyColumn }) => {
    const near = closest(key, settingKeys);
    return {
      source,
      line,
      column: keyColumn,
      message: `Unknown key ${quoted(key)}`,
      hint: near === undefined ? `Known keys: ${settingKeys.join(", ")}` : `Did you mean ${near}?`,
    };
  });
}

function cannotUse(setting: Pick<Setting<unknown>, "key" | "secret">, text: string): string {
  if (text === "") return `Cannot use an empty ${setting.key}`;
  if (setting.secret) return `Cannot use the value of ${setting.key}`;
  return `Cannot use ${quoted(text)} as ${setting.key}`;
}

/** The guest writes to scratch while it is copied, and must not wait for the share. */
function localFolders(
  settings: Settings,
  places: ReadonlyMap<SettingKey, Offer["place"]>,
): readonly ConfigProblem[] {
  const { backupRoot, scratchDir, stateDir } = settings;
  const folders = [["SCRATCH_DIR", scratchDir], ["STATE_DIR", stateDir]] as const;
  return folders
    .filter(([, path]) => path === backupRoot || path.startsWith(`${backupRoot}/`))
    .map(([key, path]) => ({
      ...(places.get(key) ?? places.get("BACKUP_ROOT") ?? { source: key }),
      message: `Cannot use ${quoted(path)} as ${key}: it lies inside BACKUP_ROOT ${
        quoted(backupRoot)
      }`,
      hint: "Choose a folder on a local disk",
    }));
}

/** Of a unix socket, in bytes (unix(7)). */
const longestPath = 107;

/** The longest name of a run, and of a socket in its folder: of the control socket, or of a disk target. */
const longestInside = "/vmb-restore-2026-11-21-120000-4194304/backup.sock";

/** Sockets of all runs lie in the scratch folder; a path that is too long would be found in their middle. */
function longScratch(
  { scratchDir }: Settings,
  places: ReadonlyMap<SettingKey, Offer["place"]>,
): readonly ConfigProblem[] {
  const most = longestPath - longestInside.length;
  const bytes = new TextEncoder().encode(scratchDir).length;
  if (bytes <= most) return [];
  return [{
    ...(places.get("SCRATCH_DIR") ?? { source: "SCRATCH_DIR" }),
    message: `Cannot use ${quoted(scratchDir)} as SCRATCH_DIR: ${bytes} bytes leave no room for ` +
      "the sockets in it",
    hint: `Choose a path of at most ${most} bytes`,
  }];
}
