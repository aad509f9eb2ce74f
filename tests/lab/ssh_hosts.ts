import { systemFiles } from "../../core/sys/files.ts";
import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { waitFor } from "./wait.ts";

/** Hosts with an address, an sshd and file systems of their own, in namespaces of this machine. */
export interface SshHosts extends AsyncDisposable {
  readonly hosts: readonly SshHost[];
  /** An address beside theirs that nobody has. */
  readonly nobody: string;
  /** Knows the key of every host, and the one that they let in. */
  readonly sshConfig: string;
  readonly knownHosts: string;
}

export interface SshHost {
  readonly name: string;
  readonly address: string;
  /** The root folder that whoever logs in there sees. */
  readonly root: string;
  /** Runs a line of a shell there, as somebody who has gone there would. */
  sh(line: string): Promise<void>;
}

/**
 * What a host has for itself: everything that an installation writes to. `/etc` is a copy of this machine's, and
 * `/var` lies over it.
 */
const ownFolders = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd /run/etc /run/var /run/work
mount -t overlay -o lowerdir=/var,upperdir=/run/var,workdir=/run/work overlay /var
cp -a /etc/. /run/etc
mount --bind /run/etc /etc
for folder in /opt /usr/local /var/cache; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /usr/local/bin
eval "$2"
exec /usr/sbin/sshd -D -e -f "$1"`;

/**
 * Starts a host for each name; all of it is gone after `await using`.
 *
 * @param furnish lines of a shell that make a host special, by its name: run as its root, before its sshd
 */
export async function startSshHosts(
  names: readonly string[],
  furnish: Readonly<Record<string, string>> = {},
): Promise<SshHosts> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-ssh-" });
  // sshd reads the key that is let in as whoever logs in.
  await Deno.chmod(folder, 0o711);
  const cleanups: (() => Promise<void>)[] = [() => systemFiles.remove(folder)];
  const dispose = async () => {
    for (const cleanup of cleanups.reverse()) await cleanup().catch(() => {});
  };
  try {
    await makeKey(`${folder}/client`);
    const hosts: SshHost[] = [];
    // A network of the addresses for tests (RFC 2544), with a part for each process that tests.
    const network = `198.18.${Deno.pid % 250}`;
    const knownHosts = `${folder}/known_hosts`;
    for (const [index, name] of names.entries()) {
      const address = `${network}.${8 * index + 2}`;
      const namespace = `vmb-${Deno.pid}-${index}`;
      const link = `vp${Deno.pid % 100_000}x${index}`;
      await runOk(systemProcesses, ["ip", "netns", "add", namespace]);
      cleanups.push(async () => {
        await systemProcesses.run(["ip", "link", "delete", link]);
        await systemProcesses.run(["ip", "netns", "delete", namespace]);
      });
      const ip = (...args: string[]) => runOk(systemProcesses, ["ip", ...args]);
      await ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", namespace);
      await ip("address", "add", `${network}.${8 * index + 1}/29`, "dev", link);
      await ip("link", "set", link, "up");
      await ip("-n", namespace, "address", "add", `${address}/29`, "dev", "eth0");
      await ip("-n", namespace, "link", "set", "eth0", "up");
      await makeKey(`${folder}/${name}`);
      const config = `${folder}/${name}.conf`;
      await Deno.writeTextFile(config, sshdConfig(folder, name, address));
      const log = `${folder}/${name}.log`;
      const argv = ["ip", "netns", "exec", namespace, "unshare", "--mount"] as const;
      const daemon = await systemProcesses.start(
        [...argv, "sh", "-c", ownFolders, "sh", config, furnish[name] ?? ":"],
        log,
      );
      cleanups.push(async () => {
        daemon.kill("SIGKILL");
        await daemon.exited;
        await endAll(namespace);
      });
      await waitFor(async () => {
        const text = await Deno.readTextFile(log);
        return text.includes("Server listening") ? true : undefined;
      }, { what: `sshd of ${name}`, deadlineMs: 10_000, evidence: () => Deno.readTextFile(log) });
      const key = (await Deno.readTextFile(`${folder}/${name}.pub`)).split(" ").slice(0, 2).join(
        " ",
      );
      await Deno.writeTextFile(knownHosts, `${address} ${key}\n`, { append: true });
      hosts.push({
        name,
        address,
        root: `/proc/${daemon.pid}/root`,
        async sh(line) {
          const mounts = `--mount=/proc/${daemon.pid}/ns/mnt`;
          await runOk(systemProcesses, ["nsenter", mounts, "sh", "-c", line]);
        },
      });
    }
    const sshConfig = `${folder}/ssh_config`;
    const lines = [`IdentityFile ${folder}/client`, "IdentitiesOnly yes"];
    lines.push(`UserKnownHostsFile ${knownHosts}`, "GlobalKnownHostsFile none");
    await Deno.writeTextFile(sshConfig, `${lines.join("\n")}\n`);
    const nobody = `${network}.5`;
    return { hosts, nobody, sshConfig, knownHosts, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function makeKey(path: string): Promise<void> {
  await runOk(systemProcesses, [
    "ssh-keygen",
    "-q",
    "-t",
    "ed25519",
    "-N",
    "",
    "-C",
    "",
    "-f",
    path,
  ]);
}

function sshdConfig(folder: string, name: string, address: string): string {
  return [
    `ListenAddress ${address}`,
    `HostKey ${folder}/${name}`,
    `AuthorizedKeysFile ${folder}/client.pub`,
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "UsePAM no",
    "StrictModes no",
    "PidFile none",
    "",
  ].join("\n");
}

/** Sessions of an sshd that was killed go on by themselves. */
async function endAll(namespace: string): Promise<void> {
  const { stdout } = await systemProcesses.run(["ip", "netns", "pids", namespace]);
  for (const pid of stdout.split("\n").filter((line) => line !== "")) {
    try {
      Deno.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}
