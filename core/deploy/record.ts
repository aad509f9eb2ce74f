import { exitCodes, VmbError } from "../error.ts";
import type { ServiceName } from "../podman/service.ts";
import type { Files } from "../sys/files.ts";

/** What a service was started with. */
export interface ServiceRecord {
  /** Of all that it reads once, when its container is made. */
  readonly restart: string;
  /** Of what it reads again when it is told to. */
  readonly reload: string;
}

/**
 * What vmb did to this machine. Nothing is in it before it was done, and what is about to be undone leaves it
 * first: a run that ended anywhere is completed by the next one.
 */
export interface DeployRecord {
  /** SHA-256 of each file that vmb installed, by its path; a path that it was about to install has "". */
  readonly files: Readonly<Record<string, string>>;
  readonly services: Readonly<Partial<Record<ServiceName, ServiceRecord>>>;
  /** What the link to the repository may point at. Two while a deploy is under way: then either is ours. */
  readonly repositories: readonly string[];
  /** Of the password that the catalog was told last. */
  readonly databasePassword: string;
  /** Whether the catalog has its tables. */
  readonly catalog: boolean;
  /** Whether systemd has seen all units as they are. */
  readonly unitsLoaded: boolean;
  /** Whether the last deploy ended with a smoke test that passed. */
  readonly tested: boolean;
}

export const emptyRecord: DeployRecord = {
  files: {},
  services: {},
  repositories: [],
  databasePassword: "",
  catalog: false,
  unitsLoaded: true,
  tested: false,
};

export function recordPath(state: string): string {
  return `${state}/deployed.json`;
}

/**
 * Reads the record of this machine; an empty one where nothing was deployed yet.
 *
 * @throws {VmbError} `deploy.record` (exit 6) for one that cannot be read: then nobody knows what is ours
 */
export async function readRecord(
  files: Pick<Files, "inspectTarget" | "readText">,
  state: string,
): Promise<DeployRecord> {
  const path = recordPath(state);
  if (await files.inspectTarget(path) === undefined) return emptyRecord;
  try {
    const { version, record } = JSON.parse(await files.readText(path));
    if (version === 1) return { ...emptyRecord, ...record };
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof TypeError)) throw cause;
  }
  throw new VmbError(`Cannot read "${path}", which says what vmb installed here`, {
    code: "deploy.record",
    exit: exitCodes.problems,
    hint: "Move it away: the next deploy takes over the files that have vmb's mark",
  });
}

export async function writeRecord(
  files: Pick<Files, "makeFolder" | "write">,
  state: string,
  record: DeployRecord,
): Promise<void> {
  await files.makeFolder(state, { mode: 0o700 });
  const text = `${JSON.stringify({ version: 1, record }, null, 2)}\n`;
  await files.write(recordPath(state), text, { mode: 0o600 });
}
