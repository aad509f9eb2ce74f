/** What somebody who owns the control VM has the File Daemon of a hypervisor do. */
export interface Attack {
  readonly name: string;
  /** A command of a job, or a line of the FileSet of one. */
  readonly command?: string;
  readonly when?: "Before" | "After";
  readonly include?: string;
  /** What the console is told instead of a job; `<job>` is one that has stored files. */
  readonly say?: string;
}

/** @param places the launcher, vmb, and a program that must never run */
export function attacks(
  { launcher, vmb, other, share, outside }: {
    readonly launcher: string;
    readonly vmb: string;
    readonly other: string;
    readonly share: string;
    /** A folder in which nothing may appear. */
    readonly outside: string;
  },
): readonly Attack[] {
  const jobs = launcher.slice(0, launcher.lastIndexOf("/"));
  const up = "/..".repeat(12);
  const commands: Readonly<Record<string, string>> = {
    "another program": other,
    "a shell": `/bin/sh -c 'touch ${outside}/sh'`,
    "another program by env": `env A=1 ${other}`,
    "vmb itself": `${vmb} hv install --from /tmp`,
    "up from the launcher's folder": `${jobs}${up}${other}`,
    "up from the launcher": `${launcher}${up}${other}`,
    "up from the launcher, with a dot": `${launcher}/.${up}${other}`,
    "a name that begins like the launcher": `${launcher}-other`,
    "the launcher with another command": `${launcher} install --from /tmp`,
    "the launcher with vmb's words": `${launcher} hv backup web`,
    "the launcher without words": launcher,
    "an option for a name": `${launcher} backup --help Full 1`,
    "options in a name": `${launcher} backup "web --method offline" Full 1`,
    "a path for a name": `${launcher} backup ../../etc Full 1`,
    "options in a level": `${launcher} backup web "Full --bwlimit 1" 1`,
    "no number": `${launcher} backup web Full 1e3`,
    "one word more": `${launcher} backup web Full 1 --json`,
    "a test restore that is kept": `${launcher} test-restore --keep`,
    "a test restore with an option": `${launcher} test-restore web --keep`,
    "a cancellation of something else": `${launcher} cancel web --all`,
    "a second command": `${launcher} test-restore ; ${other}`,
    "a command in a command": `${launcher} backup \`${other}\` Full 1`,
    "a redirection": `${launcher} backup web Full 1 > ${outside}/redirected`,
  };
  return [
    ...Object.entries(commands).map(([name, command]) => ({ name, command })),
    { name: "another program after a job", command: other, when: "After" },
    { name: "up, after a job", command: `${jobs}${up}${other}`, when: "After" },
    { name: "a program that names files", include: `File = "\\\\|${other}"` },
    { name: "a plugin that runs a program", include: `Plugin = "bpipe:/x:${other}:cat"` },
    ...[
      `where=${outside}`,
      `where=${share}/hv1${up}${outside}`,
      "where=/",
      `regexwhere="!^!${outside}!"`,
      `strip_prefix=/ add_prefix=${outside}/`,
    ].map((place) => ({
      name: `a restore with ${place}`,
      say: `restore client=hv1-fd jobid=<job> ${place} replace=always all done yes`,
    })),
    { name: "a trace", say: "setdebug level=999 trace=1 client=hv1-fd" },
    { name: "a list of a folder", say: ".ls client=hv1-fd path=/etc" },
    { name: "a check of files", say: "run job=rogue-verify yes" },
    // Console commands that would wait for an answer come last.
    { name: "a snapshot", say: "snapshot create client=hv1-fd device=/ volume=/" },
  ];
}

/** The job of an attack. */
export function attackJob(index: number): string {
  return `rogue-${index}`;
}

/** Adds the jobs of all attacks to a Director's configuration. */
export function withAttacks(config: string, all: readonly Attack[]): string {
  const common = 'Client = "hv1-fd"\n  Storage = "vmb-file"\n  Pool = "vmb-metadata"\n' +
    '  Messages = "Standard"\n  Level = Full\n';
  const resources = all.map(({ command, when = "Before", include }, index) => {
    const name = attackJob(index);
    const script = command === undefined ? "" : `  RunScript {
    Runs When = ${when}
    Runs On Client = yes
    Runs On Failure = yes
    Fail Job On Error = yes
    Command = "${command.replace(/["\\]/g, "\\$&")}"
  }
`;
    const files = include === undefined ? "none" : name;
    return `${
      include === undefined
        ? ""
        : `FileSet {\n  Name = "${name}"\n  Include {\n    Options { signature = MD5 }\n    ${include}\n  }\n}\n`
    }Job {\n  Name = "${name}"\n  Type = Backup\n  FileSet = "${files}"\n  ${common}${script}}\n`;
  });
  const others = [
    // The console's command wants one.
    `Job {\n  Name = "rogue-restore"\n  Type = Restore\n  FileSet = "none"\n  ${common}}\n`,
    `Job {\n  Name = "rogue-verify"\n  Type = Verify\n  FileSet = "none"\n  Verify Job = "catalog"\n  ${
      common.replace("Level = Full", "Level = VolumeToCatalog")
    }}\n`,
  ];
  return [config, ...resources, ...others].join("\n");
}
