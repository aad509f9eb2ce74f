import type { SiteHypervisor } from "../config/site.ts";
import { VmbError } from "../error.ts";
import type { Completed } from "../sys/process.ts";

/** What keeps a program of ours from running on a hypervisor: what it says, and what a person does about it. */
interface Fault {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: (host: SiteHypervisor, found: RegExpExecArray) => string;
  readonly hint: (host: SiteHypervisor, found: RegExpExecArray) => string;
}

const sudoersFile = "/etc/sudoers.d/vmb";

/** Of sudo itself, before the program began. */
const sudoFaults: readonly Fault[] = [
  {
    pattern: /^sudo: .*(?:a password is required|no password was provided)/m,
    code: "ssh.sudo",
    message: ({ ssh }) => `sudo wants a password of "${ssh.user}"`,
    hint: ({ ssh }) => `Put into ${sudoersFile} there: ${noPassword(ssh.user)}`,
  },
  {
    pattern: /^sudo: .*(?:you must have a tty|a terminal is required)/m,
    code: "ssh.sudo",
    message: ({ ssh }) => `sudo runs nothing for "${ssh.user}" without a terminal (requiretty)`,
    hint: ({ ssh }) =>
      `Put into ${sudoersFile} there: Defaults:${ssh.user} !requiretty, and: ${
        noPassword(ssh.user)
      }`,
  },
  {
    pattern: /is not in the sudoers file|may not run sudo|is not allowed to (?:execute|run)/m,
    code: "ssh.sudo",
    message: ({ ssh }) => `sudo does not let "${ssh.user}" run programs as root`,
    hint: ({ ssh }) => `Put into ${sudoersFile} there: ${noPassword(ssh.user)}`,
  },
  {
    pattern: /sudo: (?:command )?not found|Unknown command: ['"]?sudo|sudo: Command not found/m,
    code: "ssh.sudo",
    message: () => "there is no sudo",
    hint: ({ name }) => `Install it there, or set ssh.user of ${name} in site.yaml to root`,
  },
];

/** Of what our scripts do there. */
const faults: readonly Fault[] = [
  {
    pattern: /['"‘]?(\/[^'"‘’\n:]*)['"’]?: Read-only file system/m,
    code: "push.read-only",
    message: (_, [, path]) => `${path} is on a file system that is read-only`,
    hint: () =>
      "Mount it read-write; or, where the system is an image, install the package of vmb in the image",
  },
  {
    pattern: /No space left on device|Disk quota exceeded/,
    code: "push.space",
    message: () => "there is no room left on the disk of /opt",
    hint: () => "Make room there: the program takes 100 MB",
  },
  {
    pattern: /(\/[^\s'":]*\/\.push\.[^\s'":]*): Permission denied/,
    code: "push.noexec",
    message: () => "programs in /opt cannot be run: it is mounted noexec, or SELinux forbids it",
    hint: () => "Mount it without noexec there, as /etc/fstab says: mount -o remount,exec /opt",
  },
  {
    pattern: /^vmb: (Programs in .* cannot be run: the file system is mounted noexec)/m,
    code: "push.noexec",
    message: (_, [, said = ""]) => said.replace(/^P/, "p"),
    hint: ({ name }) =>
      `Set unpack_dir of ${name} in site.yaml to a folder where programs may be run, as /usr/local/lib/vmb`,
  },
  {
    // Of the program itself, before it could answer in JSON.
    pattern: /^vmb: (.*)(?:\n {2}hint: (.*))?/m,
    code: "push.failed",
    message: (_, [, said = ""]) => said,
    hint: (_, [, , hint]) => hint ?? "Look there",
  },
];

/** The line that lets a user run programs as root without a password (sudoers(5)). */
function noPassword(user: string): string {
  return `${user} ALL=(root) NOPASSWD: ALL`;
}

/** The error of a program that sudo did not start; `undefined` for any other. */
export function sudoFault(ended: Completed, host: SiteHypervisor): VmbError | undefined {
  return ended.code === 0 || host.ssh.user === "root" ? undefined : find(sudoFaults, ended, host);
}

/**
 * The error of a program that failed on a hypervisor. Its message is the cause alone: what was run is a script of
 * ours, which says nothing to who reads it.
 */
export function remoteFault(ended: Completed, host: SiteHypervisor): VmbError {
  const known = find(faults, ended, host);
  if (known !== undefined) return known;
  const said = (ended.stderr.trim() || ended.stdout.trim()).split("\n").at(-1)?.trim() ?? "";
  return new VmbError(said === "" ? `it ended with status ${ended.code}` : said, {
    code: "push.failed",
    hint: `Look at ${host.name}: ssh -p ${host.ssh.port} ${host.ssh.user}@${host.address}`,
  });
}

function find(
  among: readonly Fault[],
  { stderr, stdout }: Completed,
  host: SiteHypervisor,
): VmbError | undefined {
  const said = `${stderr}\n${stdout.slice(0, 2000)}`;
  for (const { pattern, code, message, hint } of among) {
    const found = pattern.exec(said);
    if (found !== null) {
      return new VmbError(message(host, found), { code, hint: hint(host, found) });
    }
  }
  return undefined;
}
