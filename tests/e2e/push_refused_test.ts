import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { passwordKeys } from "../../core/secrets/secret_key.ts";
import { type SshHost, startSshHosts } from "../lab/ssh_hosts.ts";

const vmb = Deno.env.get("VMB_BIN") ?? fileURLToPath(new URL("../../dist/vmb", import.meta.url));

/** A user who logs in instead of root, with a shell. */
const user = (shell: string) =>
  `echo 'lab:x:4242:4242::/tmp:${shell}' >>/etc/passwd; echo 'lab:*:19000::::::' >>/etc/shadow; ` +
  "echo 'lab:x:4242:' >>/etc/group; mkdir -p /etc/sudoers.d; " +
  "grep -q includedir /etc/sudoers || echo '@includedir /etc/sudoers.d' >>/etc/sudoers; ";
const sudoer = (lines: string) =>
  `printf '${lines}\\n' >/etc/sudoers.d/vmb; chmod 0440 /etc/sudoers.d/vmb; `;
const allowed = "lab ALL=(root) NOPASSWD: ALL";

/** A hypervisor that takes no push, and what the push says of it. */
interface Refusing {
  readonly furnish: string;
  /** Keys of its entry in site.yaml. */
  readonly site?: Readonly<Record<string, unknown>>;
  readonly cause: RegExp;
  readonly hint: RegExp;
  /** What a person does there, as the hint says. */
  readonly mend: string;
  /** What changes in site.yaml instead. */
  readonly mendedSite?: Readonly<Record<string, unknown>>;
}

const asUser = { ssh: { user: "lab" } };
const remount = (path: string, options: string) => `mount -o remount,${options} ${path}`;
const hosts: Readonly<Record<string, Refusing>> = {
  password: {
    furnish: user("/bin/bash") + sudoer("lab ALL=(root) ALL"),
    site: asUser,
    cause: /^sudo wants a password of "lab"$/,
    hint: /\/etc\/sudoers\.d\/vmb there: lab ALL=\(root\) NOPASSWD: ALL$/,
    mend: sudoer(allowed),
  },
  tty: {
    furnish: user("/bin/sh") + sudoer(`Defaults:lab requiretty\\n${allowed}`),
    site: asUser,
    cause: /^sudo runs nothing for "lab" without a terminal \(requiretty\)$/,
    hint: /Defaults:lab !requiretty/,
    mend: sudoer(`Defaults:lab !requiretty\\n${allowed}`),
  },
  "read-only": {
    furnish: remount("/opt", "ro"),
    cause: /^\/opt\S* is on a file system that is read-only$/,
    hint: /^Mount it read-write/,
    mend: remount("/opt", "rw"),
  },
  "noexec-opt": {
    furnish: remount("/opt", "noexec"),
    cause: /^programs in \/opt cannot be run: it is mounted noexec/,
    hint: /mount -o remount,exec \/opt/,
    mend: remount("/opt", "exec"),
  },
  "noexec-cache": {
    furnish: remount("/var/cache", "noexec"),
    cause: /^programs in \S+ cannot be run: the file system is mounted noexec$/,
    hint: /^Set unpack_dir of noexec-cache in site\.yaml/,
    mend: "mkdir -p /usr/local/lib/vmb",
    mendedSite: { unpack_dir: "/usr/local/lib/vmb" },
  },
  full: {
    furnish: remount("/opt", "size=1m"),
    cause: /^there is no room left on the disk of \/opt$/,
    hint: /^Make room there/,
    mend: remount("/opt", "size=2g"),
  },
};

Deno.test("vmb ctl push says first why a hypervisor takes nothing, leaves nothing there, and succeeds when that is mended", async () => {
  await using started = await startSshHosts([...Object.keys(hosts), "tcsh"], {
    ...Object.fromEntries(Object.entries(hosts).map(([name, { furnish }]) => [name, furnish])),
    tcsh: user("/usr/bin/tcsh") + sudoer(allowed),
  });
  const folder = await Deno.makeTempDir({ prefix: "vmb-refused-" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
  const sites = Object.entries(hosts).map(([name, { site }]) => [name, site ?? {}] as const);
  await writeSite(folder, started.hosts, new Map([...sites, ["tcsh", asUser]]));
  const push = async (...names: readonly string[]) => {
    const { stdout, stderr, code } = await new Deno.Command(vmb, {
      args: [
        ...["ctl", "push", ...names, "--repository", folder],
        ...["--ssh-config", started.sshConfig, "--json"],
      ],
    }).output();
    const text = new TextDecoder();
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  };

  const first = await push(...Object.keys(hosts));
  assert.equal(first.code, 1, first.err);
  const results = new Map<string, { readonly message: string; readonly hint: string }>(
    JSON.parse(first.out).hypervisors.map((
      { host, error }: Record<string, never>,
    ) => [host, error]),
  );
  for (const [name, { cause, hint }] of Object.entries(hosts)) {
    const error = results.get(name);
    assert.match(error?.message ?? "", cause, `${name}: ${first.out}`);
    assert.match(error?.hint ?? "", hint, `${name}: ${first.out}`);
  }
  // What was run there is a script of ours, and says nothing to who reads it.
  assert.doesNotMatch(first.err + first.out, /set -eu|umask|sha256sum|mktemp/);
  assert.doesNotMatch(first.err + first.out, /FDPASSWORD0123456789/);
  for (const host of started.hosts) await assertNothingLeft(host);

  for (const host of started.hosts) await host.sh(hosts[host.name]?.mend ?? ":");
  const mended = Object.entries(hosts).map(([name, { site, mendedSite }]) =>
    [name, { ...site, ...mendedSite }] as const
  );
  await writeSite(folder, started.hosts, new Map([...mended, ["tcsh", asUser]]));
  const second = await push();
  assert.equal(second.code, 0, second.err);
  for (const host of started.hosts) await assertNothingLeft(host);
  const cache = started.hosts.find(({ name }) => name === "noexec-cache");
  const named = await Deno.readTextFile(`${cache?.root}/opt/vm-backup/config/unpack-dir`);
  assert.equal(named, "/usr/local/lib/vmb\n");
  // Whoever starts it there, without any variable: the File Daemon has none.
  await cache?.sh("env -i /usr/local/bin/vmb --version >/dev/null");
});

/** A password file stays nowhere, after no failure. */
async function assertNothingLeft({ name, root }: SshHost): Promise<void> {
  const left = await Array.fromAsync(
    Deno.readDir(`${root}/opt/vm-backup`),
    ({ name }) => name,
  ).catch(() => []);
  assert.deepEqual(left.filter((each) => each.startsWith(".push")), [], name);
}

async function writeSite(
  folder: string,
  hosts: readonly SshHost[],
  keys: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
): Promise<void> {
  const image = "docker.io/library/x:1.0-trixie";
  const site = {
    name: "Test lab",
    control: { host: "backup.example.org" },
    time_zone: "Etc/UTC",
    cycle: { start: "Saturday 12:00" },
    nfs: { export: "nas.example.org:/export/backup" },
    hypervisors: hosts.map(({ name, address }) => ({ name, address, ...keys.get(name) })),
    images: {
      postgres: "docker.io/library/postgres:17.6",
      director: image,
      storage: image,
      api: image,
      web: image,
    },
  };
  await Deno.writeTextFile(`${folder}/site.yaml`, JSON.stringify(site, null, 2));
  await Deno.writeTextFile(`${folder}/vm-list.yaml`, "vms: []\n");
  const secrets = passwordKeys.map((key) => `${key}=${key.replaceAll("_", "")}0123456789\n`);
  await Deno.writeTextFile(`${folder}/secrets.conf`, secrets.join(""), { mode: 0o600 });
}
