import { createHash } from "node:crypto";
import { runOk, systemProcesses } from "../../core/sys/process.ts";

const keyrings = "/usr/share/keyrings";

/** Systems of Debian 13 that the control VM is made of; each is unpacked once, and kept in /var/tmp. */
const roots = {
  /** The machine itself. */
  machine: {
    path: "/var/tmp/vmb-control-root",
    variant: "important",
    packages: [
      ...["podman", "crun", "netavark", "aardvark-dns", "nftables", "iptables", "passt"],
      ...["systemd-sysv", "dbus", "linux-image-cloud-amd64", "openssh-server", "iproute2"],
      ...["curl", "openssl", "nfs-kernel-server", "nfs-common", "git", "ca-certificates"],
      "systemd-timesyncd",
      // It is a hypervisor too: its File Daemon starts vmb, which backs up a domain of its libvirt.
      ...["bacula-fd", "libvirt-daemon-system", "libvirt-clients", "qemu-system-x86", "qemu-utils"],
    ],
  },
  /** What stands in for the images: no registry is asked. */
  image: {
    path: "/var/tmp/vmb-control-image",
    variant: "apt",
    packages: [
      ...["postgresql-17", "bacula-director", "bacula-director-pgsql", "bacula-sd"],
      ...["bacula-console", "bacula-common", "openssl", "procps"],
      // What the recipe of Bacularis' images installs for its pages.
      ...["nginx", "sudo", "php-fpm", "php-bcmath", "php-curl", "php-xml", "php-ldap"],
      ...["php-pgsql", "php-intl", "expect", "gnupg", "openssh-client"],
    ],
  },
  /** QEMU 7.2 of Debian 12 crashes the kernel of the machine under multi-threaded TCG. */
  qemu: {
    path: "/var/tmp/vmb-control-qemu",
    variant: "extract",
    packages: ["base-files", "qemu-system-x86", "seabios"],
  },
} as const;

/** Returns the folder of a system, and unpacks it first where it is not there; other packages, another folder. */
export async function controlRoot(name: keyof typeof roots): Promise<string> {
  const { variant, packages } = roots[name];
  const path = `${roots[name].path}-${digestOf(variant, ...packages)}`;
  if (await exists(path)) return path;
  const folder = `${path}.new`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await runOk(systemProcesses, [
    "mmdebstrap",
    ...["--quiet", `--variant=${variant}`, `--include=${packages.join(",")}`],
    ...await exists(`${keyrings}/debian-archive-keyring.gpg`) ? [] : ["--keyring", keyrings],
    ...["trixie", folder, "http://deb.debian.org/debian"],
  ], { timeoutMs: 1_800_000 });
  await Deno.rename(folder, path);
  return path;
}

/** A short name for what something is made of. */
export function digestOf(...parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 8);
}

export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
