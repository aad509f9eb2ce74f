import type { SecretKey } from "../secrets/secret_key.ts";
import { quote } from "./quote.ts";

/** A secret that a configuration of Bacula includes: a file with one directive. */
export interface SecretFile {
  /** Key in secrets.conf. */
  readonly key: SecretKey;
  /** Name of the file, and of podman's secret. */
  readonly name: string;
  readonly directive: "Password" | "DB Password";
}

export const secretFiles = {
  director: { key: "DIRECTOR_PASSWORD", name: "vmb-director-password", directive: "Password" },
  console: { key: "CONSOLE_PASSWORD", name: "vmb-console-password", directive: "Password" },
  monitor: { key: "MONITOR_PASSWORD", name: "vmb-monitor-password", directive: "Password" },
  fileDaemon: { key: "FD_PASSWORD", name: "vmb-fd-password", directive: "Password" },
  storage: { key: "SD_PASSWORD", name: "vmb-sd-password", directive: "Password" },
  catalog: { key: "DB_PASSWORD", name: "vmb-catalog-password", directive: "DB Password" },
} as const satisfies Readonly<Record<string, SecretFile>>;

/** What stands in the file of a secret. */
export function secretFileText({ directive }: SecretFile, secret: string): string {
  return `${directive} = ${quote(secret)}\n`;
}
