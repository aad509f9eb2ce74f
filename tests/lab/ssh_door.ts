import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { waitFor } from "./wait.ts";

/** An sshd on this machine that lets root in with one key. */
export interface SshDoor extends AsyncDisposable {
  readonly port: number;
  /** Knows its key, and the one that it lets in. */
  readonly sshConfig: string;
}

/** @param vmb program that takes the place of the one that an installation has in /usr/local/bin */
export async function openSshDoor(vmb: string): Promise<SshDoor> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-sshd-" });
  for (const name of ["host", "client"]) {
    await runOk(systemProcesses, [
      ...["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", ""] as const,
      ...["-f", `${folder}/${name}`],
    ]);
  }
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const forced = `${folder}/forced`;
  await Deno.writeTextFile(
    forced,
    `#!/bin/sh
exec sh -c "$(printf %s "$SSH_ORIGINAL_COMMAND" | sed 's|/usr/local/bin/vmb|${vmb}|')"
`,
    { mode: 0o755 },
  );
  await Deno.writeTextFile(
    `${folder}/sshd_config`,
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/client.pub
PermitRootLogin yes
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
ForceCommand ${forced}
`,
  );
  const key = await Deno.readTextFile(`${folder}/host.pub`);
  await Deno.writeTextFile(`${folder}/known_hosts`, `[127.0.0.1]:${port} ${key}`);
  const sshConfig = `${folder}/ssh_config`;
  await Deno.writeTextFile(
    sshConfig,
    `IdentityFile ${folder}/client
IdentitiesOnly yes
UserKnownHostsFile ${folder}/known_hosts
GlobalKnownHostsFile none
`,
  );
  // sshd wants it, and no service manager made it.
  await Deno.mkdir("/run/sshd", { recursive: true, mode: 0o755 });
  const log = `${folder}/log`;
  const daemon = await systemProcesses.start(
    ["/usr/sbin/sshd", "-D", "-e", "-f", `${folder}/sshd_config`],
    log,
  );
  await waitFor(
    async () => (await Deno.readTextFile(log)).includes("Server listening") || undefined,
    { what: "sshd", deadlineMs: 10_000, evidence: () => Deno.readTextFile(log) },
  );
  return {
    port,
    sshConfig,
    async [Symbol.asyncDispose]() {
      daemon.kill();
      await daemon.exited;
      await Deno.remove(folder, { recursive: true });
    },
  };
}
