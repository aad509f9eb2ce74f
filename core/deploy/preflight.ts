import { type Check, type CheckVerdict, failed, passed, warned } from "../checks/check.ts";
import type { Site } from "../config/site.ts";
import { formatBytes } from "../format/bytes.ts";
import { type Mount, mountOf } from "../repository/mount.ts";
import { runOk } from "../sys/process.ts";
import { bacularisImage, postgresMajor } from "../podman/image.ts";
import { shareFiles } from "../sys/share_files.ts";
import type { ControlPlaces, Machine } from "./places.ts";
import { shareTimeoutMs } from "./plan.ts";
import { listeningPorts, publishedPorts } from "./ports.ts";
import { unitStates } from "./units.ts";

/** Room for images and the catalog, in bytes. */
const leastDisk = 5 * 1024 ** 3;
const comfortableDisk = 20 * 1024 ** 3;

/** All that must be so before a deploy changes anything. */
export function preflightChecks(
  machine: Machine,
  site: Site,
  places: ControlPlaces,
): readonly Check[] {
  const { files, processes } = machine;
  // Asked once for several checks.
  const info = podmanInfo(machine);
  info.catch(() => {});
  return [
    { name: "user", run: () => user(machine, site) },
    { name: "podman", run: () => podmanVersion(machine) },
    {
      name: "network-backend",
      run: async () =>
        expected((await info).networkBackend, "netavark", {
          what: "network backend",
          hint:
            "Remove network_backend from containers.conf, then: podman system reset, or a new VM",
        }),
    },
    {
      name: "runtime",
      run: async () =>
        expected((await info).runtime, "crun", {
          what: "OCI runtime",
          hint: "Install crun, remove runtime= from containers.conf; then: vmb ctl fix",
        }),
    },
    {
      name: "cgroups",
      run: async () =>
        expected((await info).cgroups, "v2", {
          what: "cgroups",
          hint: "Remove systemd.unified_cgroup_hierarchy=0 from the kernel's command line; reboot",
        }),
    },
    { name: "systemd", run: () => systemd(machine, places) },
    { name: "ports", run: () => ports(machine, site, places) },
    { name: "images", run: () => images(site) },
    { name: "share", run: () => share(machine, site) },
    {
      name: "disk",
      run: async () => {
        const { graphRoot } = await info;
        const { free } = await files.space(await nearestFolder(machine, graphRoot));
        const detail = `${formatBytes(free)} free for containers in "${graphRoot}"`;
        if (free < leastDisk) {
          return failed(detail, "Make room: podman image prune, or a larger disk");
        }
        return free < comfortableDisk
          ? warned(detail, "Images and the catalog grow: give it 20 GiB")
          : passed(detail);
      },
    },
    {
      name: "time",
      run: async () => {
        const argv = ["timedatectl", "show", "--property=NTPSynchronized", "--value"] as const;
        const { stdout } = await runOk(processes, argv);
        return stdout.trim() === "yes" ? passed("synchronised") : warned(
          "the clock is not synchronised: schedules and certificates depend on it",
          "Run: systemctl enable --now chronyd",
        );
      },
    },
    { name: "selinux", run: () => selinux(machine) },
  ];
}

function user({ host }: Machine, { rootless }: Site): CheckVerdict {
  const root = host.uid() === 0;
  if (rootless && root) {
    return failed(
      "site.yaml says rootless: true, and this is root",
      "Run it as the user whose containers they are, or remove rootless from site.yaml",
    );
  }
  return rootless || root ? passed(root ? "root" : "rootless") : failed(
    "not root",
    "Run it as root: sudo vmb ctl deploy; or set rootless: true in site.yaml",
  );
}

async function podmanVersion({ processes }: Machine): Promise<CheckVerdict> {
  const argv = ["podman", "version", "--format", "{{.Client.Version}}"] as const;
  const version = (await runOk(processes, argv)).stdout.trim();
  return Number(version.split(".")[0]) >= 5
    ? passed(version)
    : failed(`podman ${version}: expected 5 or later`, "Run: dnf upgrade podman; RHEL 10 has 5.4");
}

export interface PodmanInfo {
  readonly networkBackend: string;
  readonly runtime: string;
  readonly cgroups: string;
  readonly graphRoot: string;
}

export async function podmanInfo(
  { processes }: Pick<Machine, "processes">,
): Promise<PodmanInfo> {
  const argv = ["podman", "info", "--format", "json"] as const;
  const { stdout } = await runOk(processes, argv, { timeoutMs: 120_000 });
  const { host, store } = JSON.parse(stdout);
  return {
    networkBackend: String(host?.networkBackend),
    runtime: String(host?.ociRuntime?.name),
    cgroups: String(host?.cgroupVersion),
    graphRoot: String(store?.graphRoot ?? "/var/lib/containers/storage"),
  };
}

function expected(
  found: string,
  wanted: string,
  { what, hint }: { readonly what: string; readonly hint: string },
): CheckVerdict {
  return found === wanted ? passed(found) : failed(`${what} ${found}: expected ${wanted}`, hint);
}

async function systemd(machine: Machine, places: ControlPlaces): Promise<CheckVerdict> {
  const { stdout } = await machine.processes.run([...places.systemctl, "is-system-running"]);
  const state = stdout.trim();
  // Some unit that is not ours may have failed, or the boot still goes on.
  if (!["running", "degraded", "starting"].includes(state)) {
    return failed(
      `systemd is ${state || "not reached"}`,
      places.systemctl.length > 1
        ? "Log in as the user itself, after: loginctl enable-linger USER"
        : "A control VM is booted by systemd",
    );
  }
  if (places.systemctl.length === 1) return passed(state);
  const argv = ["loginctl", "show-user", String(machine.host.uid())] as const;
  const linger = await machine.processes.run([...argv, "--property=Linger", "--value"]);
  return linger.stdout.trim() === "yes" ? passed(`${state}, with lingering`) : failed(
    "without lingering, the containers end when their user logs out",
    "Run: loginctl enable-linger",
  );
}

/** pg_dump dumps no server that is newer than itself: the dump after each cycle would fail. */
function images({ images: { postgres, director } }: Site): CheckVerdict {
  const server = postgresMajor(postgres);
  const { postgresClient } = bacularisImage(director);
  return server <= postgresClient ? passed(`PostgreSQL ${server}`) : failed(
    `PostgreSQL ${server}: the Director's image has pg_dump ${postgresClient}, which cannot dump it`,
    `Set images.postgres of site.yaml to postgres:${postgresClient}`,
  );
}

async function ports(machine: Machine, site: Site, places: ControlPlaces): Promise<CheckVerdict> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => machine.files.readText(path).catch(() => "")),
  );
  const taken = listeningPorts(tables.join("\n"));
  const published = publishedPorts(site);
  const states = await unitStates(
    machine,
    places,
    published.map(({ service }) => `${service}.service`),
  );
  const foreign = published.filter(({ port, service }) =>
    taken.has(port) && states.get(`${service}.service`)?.active !== "active"
  );
  if (foreign.length === 0) return passed(published.map(({ port }) => port).join(", "));
  const list = foreign.map(({ port, service }) => `${port} (for ${service})`).join(", ");
  return failed(
    `another program listens on ${list}`,
    `Find it with: ss -ltnp; or choose other ports in site.yaml`,
  );
}

/** The mount of the share; `undefined` when the path lies on something else. */
export async function shareMountPoint(
  { files }: Pick<Machine, "files">,
  { nfs }: Pick<Site, "nfs">,
): Promise<Mount | undefined> {
  const mount = mountOf(nfs.mount, await files.readText("/proc/self/mountinfo"));
  return mount?.point === nfs.mount && /^nfs4?$/.test(mount.type) ? mount : undefined;
}

async function share(machine: Machine, site: Site): Promise<CheckVerdict> {
  const { nfs } = site;
  const mount = await shareMountPoint(machine, site);
  if (mount === undefined) {
    return failed(
      `"${nfs.mount}" is no NFS mount: what is written there would end on the local disk`,
      `Put into /etc/fstab: ${nfs.export} ${nfs.mount} nfs ${
        nfs.options.join(",")
      },_netdev 0 0 -- ` +
        `and run: mkdir -p ${nfs.mount} && mount ${nfs.mount}`,
    );
  }
  if (mount.readonly) {
    return failed(`"${nfs.mount}" is mounted read-only`, `Run: mount -o remount,rw ${nfs.mount}`);
  }
  const files = shareFiles(machine.files, nfs.mount, shareTimeoutMs);
  const probe = `${nfs.mount}/.vmb-deploy-${machine.host.pid}`;
  await files.write(probe, "");
  await files.remove(probe);
  return mount.source === nfs.export ? passed(`${mount.source} (${mount.type})`) : warned(
    `"${nfs.mount}" is ${mount.source}: site.yaml says ${nfs.export}`,
    "Correct one of them",
  );
}

/** A folder of podman's may not be there before its first use. */
async function nearestFolder({ files }: Machine, path: string): Promise<string> {
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    if (await files.inspectTarget(at) !== undefined) return at;
  }
  return "/";
}

async function selinux({ files, processes }: Machine): Promise<CheckVerdict> {
  const path = "/sys/fs/selinux/enforce";
  if (await files.inspectTarget(path) === undefined) {
    return { outcome: "skipped", detail: "no SELinux" };
  }
  const { stdout } = await processes.run(["getsebool", "virt_use_nfs"]);
  if (stdout.trim().endsWith("on")) return passed("virt_use_nfs is on");
  const enforcing = (await files.readText(path)).trim() === "1";
  const hint = "Run: setsebool -P virt_use_nfs 1";
  const detail = "containers may not use NFS: virt_use_nfs is off";
  return enforcing ? failed(detail, hint) : warned(detail, hint);
}
