/** A key of `secrets.conf`. */
export type SecretKey =
  | "DIRECTOR_PASSWORD"
  | "FD_PASSWORD"
  | "SD_PASSWORD"
  | "DB_PASSWORD"
  | "CONSOLE_PASSWORD"
  | "MONITOR_PASSWORD"
  | "BACULARIS_ADMIN_PASSWORD"
  | "API_PASSWORD"
  | "SLACK_FAILURE_WEBHOOK"
  | "SLACK_SUCCESS_WEBHOOK";

export interface SecretKind {
  readonly description: string;
  /** A password is made here; a webhook comes from Slack, and may be left empty. */
  readonly kind: "password" | "webhook";
  /** Whether hypervisors have it too, so that a change is only done with `vmb ctl push`. */
  readonly onHypervisors: boolean;
}

/** All keys, in the order in which they are written. */
export const secretTable: Readonly<Record<SecretKey, SecretKind>> = {
  DIRECTOR_PASSWORD: {
    description: "bconsole to the Director",
    kind: "password",
    onHypervisors: false,
  },
  FD_PASSWORD: {
    description: "Director to the File Daemons of the hypervisors",
    kind: "password",
    onHypervisors: true,
  },
  SD_PASSWORD: {
    description: "Director to the Storage Daemon",
    kind: "password",
    onHypervisors: false,
  },
  DB_PASSWORD: {
    description: "Director and Bacularis to the catalog",
    kind: "password",
    onHypervisors: false,
  },
  CONSOLE_PASSWORD: {
    description: "the console of the administrators",
    kind: "password",
    onHypervisors: false,
  },
  MONITOR_PASSWORD: {
    description: "the console that can only look",
    kind: "password",
    onHypervisors: false,
  },
  BACULARIS_ADMIN_PASSWORD: {
    description: "user admin of the Bacularis web page",
    kind: "password",
    onHypervisors: false,
  },
  API_PASSWORD: {
    description: "Bacularis web to its API",
    kind: "password",
    onHypervisors: false,
  },
  SLACK_FAILURE_WEBHOOK: {
    description: "Slack webhook for failures; empty: none",
    kind: "webhook",
    onHypervisors: true,
  },
  SLACK_SUCCESS_WEBHOOK: {
    description: "Slack webhook for successes; empty: none",
    kind: "webhook",
    onHypervisors: true,
  },
};

export const secretKeys = Object.keys(secretTable) as readonly SecretKey[];

export const passwordKeys = secretKeys.filter((key) => secretTable[key].kind === "password");

export function isSecretKey(word: string): word is SecretKey {
  return Object.hasOwn(secretTable, word);
}

/** The value of each key that has one. */
export type Secrets = ReadonlyMap<SecretKey, string>;
