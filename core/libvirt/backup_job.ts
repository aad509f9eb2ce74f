import { parseXml, XmlElement } from "@rgrove/parse-xml";
import { VmbError } from "../error.ts";
import type { Clock } from "../sys/clock.ts";
import type { Domain } from "./domain.ts";
import type { Virsh } from "./virsh.ts";

/** A pull-mode backup job: each disk becomes an NBD export named after its target. */
export interface PullJob {
  /** Unix socket that QEMU makes and serves. */
  readonly socketPath: string;
  readonly disks: readonly {
    readonly target: string;
    /** Where QEMU keeps the blocks that the guest overwrites; `undefined` leaves the disk out. */
    readonly scratch: string | undefined;
  }[];
}

/**
 * Writes the XML of a pull-mode backup (libvirt, formatbackup.html). Every disk of the domain is named,
 * because libvirt's default is to back up all of them, and refuses those that it cannot.
 */
export function pullJobXml(job: PullJob): string {
  const disks = job.disks.map(({ target, scratch }) =>
    scratch === undefined
      ? `    <disk name='${escape(target)}' backup='no'/>`
      : `    <disk name='${escape(target)}' backup='yes' type='file' exportname='${escape(target)}'>
      <scratch file='${escape(scratch)}'/>
    </disk>`
  );
  return `<domainbackup mode='pull'>
  <server transport='unix' socket='${escape(job.socketPath)}'/>
  <disks>
${disks.join("\n")}
  </disks>
</domainbackup>
`;
}

/**
 * The XML of the backup job that runs on a domain; `undefined` when none does.
 *
 * @throws {VmbError} when libvirt answers otherwise, or not at all: the job may run all the same
 */
export async function runningBackupXml(virsh: Virsh, domain: Domain): Promise<string | undefined> {
  try {
    return await virsh.run(["backup-dumpxml", domain.uuid], { timeoutMs: 45_000 });
  } catch (error) {
    if (!(error instanceof VmbError)) throw error;
    const isAnswer = error.code === "libvirt.no-domain" ||
      /no domain backup job present|domain is not running|not supported by the connection driver/i
        .test(error.message);
    if (isAnswer) return undefined;
    throw error;
  }
}

/** How long a job may take to end, and how long it may ignore that it was told to, in milliseconds. */
const patience = { endMs: 90_000, abortMs: 5_000 };

/**
 * Ends the backup job whose socket or scratch files lie in `folder`; a job that is not ours is left alone.
 *
 * An abort only asks: the job goes on until QEMU has let go of the disks, and a guest that resets in that moment
 * can make QEMU forget that it was asked. So libvirt's book is read until the job is no longer in it.
 *
 * @returns whether a job of ours was ended
 * @throws {VmbError} `capture.job-lingers` when libvirt still has it after a while
 */
export async function endBackupJob(
  { virsh, system: { clock } }: {
    readonly virsh: Virsh;
    readonly system: { readonly clock: Clock };
  },
  domain: Domain,
  folder: string,
): Promise<boolean> {
  const begun = clock.monotonic();
  let asked: number | undefined;
  let words = "";
  for (let pause = 50;; pause = Math.min(pause * 2, 1000)) {
    const xml = await runningBackupXml(virsh, domain);
    if (xml === undefined || !isBackupIn(xml, folder)) return asked !== undefined;
    const now = clock.monotonic();
    if (now - begun > patience.endMs) {
      throw new VmbError(
        `Backup job of "${domain.name}" does not end${words && `: ${words}`}`,
        {
          code: "capture.job-lingers",
          hint:
            `Look at the VM; then run: vmb hv recover. By hand: virsh domjobabort ${domain.uuid}`,
        },
      );
    }
    if (asked === undefined || now - asked > patience.abortMs) {
      const answer = await virsh.attempt(["domjobabort", domain.uuid], { timeoutMs: 60_000 });
      words = answer.stderr.trim().replace(/^error:\s*/gm, "").replaceAll("\n", "; ");
      asked = now;
    }
    await clock.sleep(pause);
  }
}

/** Whether a backup job keeps its socket or its scratch files in `folder`. */
export function isBackupIn(backupXml: string, folder: string): boolean {
  const root = parseXml(backupXml).root;
  const paths: string[] = [];
  const visit = (node: XmlElement) => {
    paths.push(
      ...[node.attributes["socket"], node.attributes["file"]].filter((path) => path !== undefined),
    );
    for (const next of node.children) if (next instanceof XmlElement) visit(next);
  };
  if (root) visit(root);
  return paths.some((path) => path.startsWith(`${folder}/`));
}

function escape(text: string): string {
  return text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
