import assert from "node:assert/strict";
import { resourceNames } from "../../core/bacula/names.ts";
import { services } from "../../core/podman/service.ts";
import type { Completed } from "../../core/sys/process.ts";
import type { ControlVm } from "./control_vm.ts";
import { waitFor } from "./wait.ts";

/** Folder of the site's repository, in the control VM. */
export const repository = "/root/site";

function siteYaml({ postgres, director, storage, api, web }: ControlVm["images"]): string {
  return `name: lab
control: { host: vmb.lab.example, addresses: [10.0.2.15, 127.0.0.1] }
time_zone: Etc/UTC
cycle: { start: Saturday 12:00 }
nfs: { export: "vmb.lab.example:/srv/share" }
hypervisors: [{ name: hv1, address: 10.0.2.15 }]
images:
  postgres: ${postgres}
  director: ${director}
  storage: ${storage}
  api: ${api}
  web: ${web}
`;
}

/** What `vmb ctl check` said. */
export interface CheckAnswer {
  readonly code: number;
  /** Outcome and detail by the name of the check. */
  readonly outcome: (name: string) => string;
  /** Names of those that failed. */
  readonly failed: readonly string[];
}

/** Brings the program into place, the VM's own key for ssh to itself, and a domain that is shut off. */
export async function furnish(vm: ControlVm): Promise<void> {
  await vm.sh("/mnt/lab/vmb hv install");
  await vm.sh("mountpoint -q /mnt/backup || mount /mnt/backup");
  for (const image of Object.values(vm.images)) {
    if (image.startsWith("localhost/")) await vm.sh(`podman image exists ${image}`);
  }
  await vm.sh(
    "cd /root/.ssh && ssh-keygen -q -t ed25519 -N '' -f id_ed25519 && " +
      "cat id_ed25519.pub >>authorized_keys && ssh-keyscan -t ed25519 10.0.2.15 >known_hosts",
  );
}

/** A domain that is shut off: to boot one inside an emulated machine would take long. */
export async function defineDomain(vm: ControlVm, name: string): Promise<void> {
  const disk = `/var/lib/libvirt/images/${name}.qcow2`;
  await vm.sh(
    `qemu-img create -q -f qcow2 ${disk} 64M && qemu-io -c 'write -P 7 1M 8M' ${disk} >/dev/null`,
  );
  await vm.write(
    `/root/${name}.xml`,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
<source file='${disk}'/><target dev='vda' bus='virtio'/></disk></devices></domain>
`,
  );
  await vm.sh(`virsh --quiet define /root/${name}.xml`);
}

/** Makes the repository of the site, as an administrator does. */
export async function makeRepository(vm: ControlVm): Promise<void> {
  await vm.sh(`vmb ctl init ${repository}`);
  await vm.write(`${repository}/site.yaml`, siteYaml(vm.images));
  await vm.write(`${repository}/vm-list.yaml`, "vms:\n  - { name: lab1, hypervisor: hv1 }\n");
  await vm.write(`${repository}/vm-backup.conf`, "MIN_FREE_GB=1\nBANDWIDTH_LIMIT=512K\n");
  await vm.sh(`cd ${repository} && vmb ctl secrets init && vmb ctl certs`);
}

/** Deploys, which must change something and succeed. */
export async function deploy(vm: ControlVm, ...options: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await tryDeploy(vm, ...options);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Deployed: /m, stdout);
  if (Deno.env.has("LAB_VERBOSE")) await Deno.stdout.write(new TextEncoder().encode(stderr));
}

export async function tryDeploy(
  vm: ControlVm,
  ...options: readonly string[]
): Promise<Completed> {
  return await vm.attempt(["vmb ctl deploy", repository, "--yes", ...options].join(" "));
}

export async function assertNothingToDeploy(vm: ControlVm): Promise<void> {
  const { code, stdout, stderr } = await tryDeploy(vm);
  assert.deepEqual([code, stdout.trim()], [0, "No changes"], stderr);
}

/** Installs the hypervisor from the control VM; returns what the table says of it. */
export async function push(vm: ControlVm, ...options: readonly string[]): Promise<string> {
  return await vm.sh(["cd", repository, "&& vmb ctl push", ...options].join(" "));
}

export async function check(vm: ControlVm): Promise<CheckAnswer> {
  const { code, stdout, stderr } = await vm.attempt(`vmb ctl check ${repository} --json`);
  assert.ok(code === 0 || code === 6, stderr);
  const { checks } = JSON.parse(stdout) as {
    readonly checks: readonly { name: string; outcome: string; detail: string }[];
  };
  const verdicts = new Map(checks.map((each) => [each.name, `${each.outcome}: ${each.detail}`]));
  return {
    code,
    outcome: (name) => verdicts.get(name) ?? "no such check",
    failed: checks.filter(({ outcome }) => outcome === "failed").map(({ name }) => name),
  };
}

/** All is well: the daemons, the hypervisor, and no difference from the repository. */
export async function assertWell(vm: ControlVm): Promise<void> {
  const { code, failed, outcome } = await check(vm);
  assert.deepEqual([code, failed], [0, []], failed.map((name) => outcome(name)).join("\n"));
}

export async function healthOf(vm: ControlVm, name: string) {
  const format = "'{{.Id}} {{.State.Health.Status}}'";
  const { stdout } = await vm.attempt(`podman inspect --format ${format} ${name}`);
  const [id = "", health = ""] = stdout.trim().split(" ");
  return { id, health };
}

export async function containerIds(vm: ControlVm): Promise<readonly string[]> {
  const names = services.join(" ");
  return (await vm.sh(`podman container inspect --format '{{.Id}}' ${names}`)).trim().split("\n");
}

export async function allHealthy(vm: ControlVm): Promise<void> {
  for (const name of services) {
    await waitFor(
      async () => (await healthOf(vm, name)).health === "healthy" || undefined,
      { what: `a healthy ${name}`, deadlineMs: 400_000, everyMs: 2000 },
    );
  }
}

/** Backs up a VM by its job, and the catalog by the one that runs after a cycle. */
export async function runJobs(vm: ControlVm, name: string): Promise<void> {
  await vm.sh(`vmb ctl run ${name} --wait`);
  const commands = [`run job=${resourceNames.catalogJob} yes`, "wait", "quit", ""].join("\\n");
  await vm.sh(`printf '${commands}' | ${bconsole("bconsole.conf")}`);
  const jobs = await jobsOf(vm);
  const last = jobs.findLast(({ job }) => job === resourceNames.catalogJob);
  assert.equal(last?.result, "ok", JSON.stringify(jobs));
}

/** Looks for the site's secrets wherever somebody else than root, or who reads logs, would find them. */
export async function assertSecret(vm: ControlVm): Promise<void> {
  const [values, places] = ["/root/secret-values", "/etc /opt /var/lib/vm-backup /mnt/backup"];
  await vm.sh(`umask 077; sed -n 's/^[A-Z_]*=//p' ${repository}/secrets.conf | grep . >${values}`);
  const found = async (what: string) => {
    const { stdout } = await vm.attempt(`{ ${what}; } 2>/dev/null | grep -acF -f ${values}`);
    return Number(stdout);
  };
  assert.ok(await found(`cat ${repository}/secrets.conf`) >= 8, "the search finds what is there");
  const exposed: Readonly<Record<string, string>> = {
    "arguments": "cat /proc/[0-9]*/cmdline",
    "the journal": "journalctl --no-pager",
    "podman inspect": `podman inspect ${services.join(" ")}`,
    "files that all may read": `find ${places} -type f -perm -o=r -exec cat {} +`,
    "logs of vmb": "cat /opt/vm-backup/logs/*/*",
    "the catalog": "podman exec vmb-postgres pg_dump -U bacula bacula",
    "what is committed": `cd ${repository}; git add -A; git grep --cached -h .`,
  };
  for (const [where, what] of Object.entries(exposed)) {
    assert.equal(await found(what), 0, `a secret is in ${where}`);
  }
  await vm.sh(`rm ${values}`);
}

export interface LabJob {
  readonly id: number;
  readonly job: string;
  readonly result: string;
}

export async function jobsOf(vm: ControlVm): Promise<readonly LabJob[]> {
  return JSON.parse(await vm.sh("vmb ctl jobs --json")).jobs;
}

/** bconsole in the Director's container; what it is to do comes by stdin. */
export function bconsole(config: "bconsole.conf" | "monitor.conf"): string {
  return `podman exec -i vmb-director bconsole -n -c /etc/vmb-bacula/${config}`;
}
