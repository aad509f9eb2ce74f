import type { Configuration } from "./configuration.ts";
import { type SettingKey, type Settings, settingTable } from "./settings.ts";

/** A setting as it is shown. */
export interface SettingRow {
  readonly key: SettingKey;
  /** As it would be written in the file; a secret is `(hidden)`, one that is not set is empty. */
  readonly value: string;
  /** `default`, `path:line`, the name of a variable, or a flag. */
  readonly origin: string;
}

/** Lists all settings with their values and where each comes from. No secret is among them. */
export function showSettings(
  configuration: Pick<Configuration, "settings" | "origins">,
): readonly SettingRow[] {
  const names = Object.keys(settingTable) as (keyof Settings)[];
  return names.map((name) => showSetting(configuration, name));
}

function showSetting<Name extends keyof Settings>(
  { settings, origins }: Pick<Configuration, "settings" | "origins">,
  name: Name,
): SettingRow {
  const { key, type, secret } = settingTable[name];
  const value = type.show(settings[name]);
  return {
    key,
    value: secret && value !== "" ? "(hidden)" : value,
    origin: origins.get(key)?.where ?? "default",
  };
}
