/**
 * Deploys into a control VM that systemd booted: the whole of `vmb ctl`, with stand-in images. Prints what was done
 * and how long it took. `LAB_CPUS=1` leaves a core of a small machine alone; it takes twice the time.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { services } from "../../core/podman/service.ts";
import { type ControlVm, furnish, labImages, openControlVm } from "./control_vm.ts";
import { waitFor } from "./wait.ts";

const vmb = fileURLToPath(new URL("../../dist/vmb", import.meta.url));
const start = performance.now();
const siteYaml = `name: lab
control: { host: vmb.lab.example, addresses: [10.0.2.15, 127.0.0.1] }
time_zone: Etc/UTC
cycle: { start: Saturday 12:00 }
nfs: { export: "vmb.lab.example:/srv/share" }
hypervisors: [{ name: hv1, address: 10.0.2.15 }]
images:
  postgres: ${labImages.postgres}
  director: ${labImages.bacularis}
  storage: ${labImages.bacularis}
  api: ${labImages.bacularis}
  web: ${labImages.bacularis}
`;

await main();

async function main(): Promise<void> {
  await using vm = await timed(
    "boot",
    () => openControlVm({ vmb, cpus: Number(Deno.env.get("LAB_CPUS") ?? 2) }),
  );
  try {
    await scenario(vm);
  } catch (error) {
    await Deno.stderr.write(new TextEncoder().encode(
      (await vm.attempt("podman ps -a; journalctl -b --no-pager -n 120 -p 5; free -m")).stdout,
    ));
    throw error;
  }
}

async function scenario(vm: ControlVm): Promise<void> {
  await timed("program, images, NFS", () => furnish(vm));
  await vm.sh("vmb ctl init /root/site");
  await vm.write("/root/site/site.yaml", siteYaml);
  await vm.write("/root/site/vm-list.yaml", "vms:\n  - { name: lab1, hypervisor: hv1 }\n");
  await vm.sh("cd /root/site && vmb ctl secrets init && vmb ctl certs");

  await timed("first deploy", () => deploy(vm));
  await allHealthy(vm);
  await timed(
    "second deploy",
    async () => assert.equal((await vm.sh("vmb ctl deploy /root/site --yes")).trim(), "No changes"),
  );

  const ids = await containerIds(vm);
  await vm.sh("echo '  - { name: lab2, hypervisor: hv1, priority: 60 }' >>/root/site/vm-list.yaml");
  await timed("deploy of one more VM: reload", () => deploy(vm));
  assert.deepEqual(await containerIds(vm), ids, "no container was made anew");
  const jobs = await vm.sh(
    "printf '.jobs\\nquit\\n' | podman exec -i vmb-director bconsole -n -c /etc/vmb-bacula/monitor.conf",
  );
  assert.match(jobs, /^vm-lab2$/m);

  await vm.sh("cd /root/site && vmb ctl secrets rotate DB_PASSWORD API_PASSWORD");
  await timed("deploy of new passwords", () => deploy(vm));
  await allHealthy(vm);

  for (const name of services) {
    await timed(`${name} killed, and back by itself`, async () => {
      const [before] = (await vm.sh(`podman inspect --format '{{.Id}}' ${name}`)).split("\n");
      await vm.sh(`podman kill --signal KILL ${name}`);
      await waitFor(
        async () => {
          const state = await healthOf(vm, name);
          return state.health === "healthy" && state.id !== before || undefined;
        },
        { what: `a healthy ${name}`, deadlineMs: 300_000, everyMs: 2000 },
      );
    });
  }

  const check = await timed("check", () => vm.attempt("vmb ctl check /root/site --json"));
  const found = JSON.parse(check.stdout).checks as readonly { name: string; outcome: string }[];
  const failed = found.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  // There is no hypervisor in the lab, and that is all that is wrong.
  assert.deepEqual([check.code, failed], [6, ["fd-hv1"]], check.stdout);

  await vm.sh("systemctl stop vmb-web && echo edited >>/etc/vm-backup/web/settings.conf");
  const fix = await timed("fix", () => vm.attempt("vmb ctl fix /root/site"));
  assert.match(fix.stdout, /^done {2}Restart vmb-web: healthy again$/m);
  assert.match(fix.stdout, /^left {4}drift: .*settings\.conf/m);
  await timed("deploy over an edited file", () => deploy(vm));

  await timed("reboot, and back by itself", async () => {
    await vm.attempt("systemctl reboot", { timeoutMs: 20_000 }).catch(() => {});
    await vm.up();
    await allHealthy(vm);
  });
  assert.equal((await vm.sh("vmb ctl deploy /root/site --yes")).trim(), "No changes");

  await vm.sh(
    "podman exec vmb-director sh /etc/vmb-bacula/hooks/dump-catalog.sh /var/lib/bacula/catalog " +
      "vmb-postgres 5432 /run/secrets/vmb-catalog-password",
  );
  await timed(
    "teardown with its data",
    () => vm.sh("vmb ctl teardown /root/site --purge-data --confirm lab"),
  );
  const refused = await vm.attempt("vmb ctl deploy /root/site --yes");
  assert.deepEqual([refused.code, /--redeploy/.test(refused.stderr)], [6, true], refused.stderr);
  await timed("redeploy, with the catalog of before", () => deploy(vm, "--redeploy"));
  await allHealthy(vm);
  print("all of it");
}

async function deploy(vm: ControlVm, ...options: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await vm.attempt(
    ["vmb", "ctl", "deploy", "/root/site", "--yes", ...options].join(" "),
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^Deployed: /m, stdout);
  if (Deno.env.has("LAB_VERBOSE")) await Deno.stdout.write(new TextEncoder().encode(stderr));
}

async function healthOf(vm: ControlVm, name: string) {
  const format = "'{{.Id}} {{.State.Health.Status}}'";
  const { stdout } = await vm.attempt(`podman inspect --format ${format} ${name}`);
  const [id = "", health = ""] = stdout.trim().split(" ");
  return { id, health };
}

async function containerIds(vm: ControlVm): Promise<readonly string[]> {
  return await Promise.all(services.map(async (name) => (await healthOf(vm, name)).id));
}

async function allHealthy(vm: ControlVm): Promise<void> {
  for (const name of services) {
    await waitFor(
      async () => (await healthOf(vm, name)).health === "healthy" || undefined,
      { what: `a healthy ${name}`, deadlineMs: 400_000, everyMs: 2000 },
    );
  }
}

async function timed<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const begun = performance.now();
  const result = await work();
  print(`${what}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  return result;
}

function print(text: string): void {
  const minutes = ((performance.now() - start) / 60_000).toFixed(1);
  console.log(`${minutes.padStart(5)} min  ${text}`);
}
