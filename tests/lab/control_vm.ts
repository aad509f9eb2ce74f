import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSite, type Site } from "../../core/config/site.ts";
import { repositoryFiles } from "../../core/deploy/init_repository.ts";
import {
  type Argv,
  type Completed,
  runOk,
  type RunOptions,
  systemProcesses,
} from "../../core/sys/process.ts";
import { controlRoot, digestOf, exists } from "./control_roots.ts";
import { waitFor } from "./wait.ts";

/**
 * A control VM that systemd booted, with podman 5.4.2, libvirt, and ssh. It serves the share to itself by NFS, from
 * a disk that outlives it. It is lost when it is disposed of, as by a power cut.
 */
export interface ControlVm extends AsyncDisposable {
  /** What site.yaml is to name. */
  readonly images: Site["images"];
  /** Runs a line of its shell as root; a status other than 0 is an error. */
  sh(line: string, options?: RunOptions): Promise<string>;
  /** Like `sh`, whatever the status. */
  attempt(line: string, options?: RunOptions): Promise<Completed>;
  write(path: string, text: string): Promise<void>;
  /** Waits until it answers by ssh. */
  up(): Promise<void>;
}

const standIn = "localhost/vmb-lab/bacularis:15.0.3-trixie";

/** The images that site.yaml names in the lab: stand-ins, in the store of its second disk. */
export const labImages: Site["images"] = {
  postgres: "localhost/vmb-lab/postgres:17-lab",
  director: standIn,
  storage: standIn,
  api: standIn,
  web: standIn,
};

/** The images that `vmb ctl init` begins with; the machine pulls them. */
export async function siteImages(): Promise<Site["images"]> {
  const { site } = await parseSite(repositoryFiles["site.yaml"] ?? "", "site.yaml");
  if (site === undefined) throw new Error("The site.yaml of vmb ctl init has problems");
  return site.images;
}

/** No mitigations, which are slow to emulate; no test of the timer, which fails where the emulator is late. */
const kernelWords = "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no " +
  "mitigations=off no_timer_check";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const folder = "/var/tmp/vmb-control-lab";

/** The disk of an empty share; removed when it is disposed of. */
export async function makeShare(): Promise<{ readonly path: string } & AsyncDisposable> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const path = await Deno.makeTempFile({ dir: folder, prefix: "share-" });
  await run("truncate", "--size", "4G", path);
  await run("mkfs.ext4", "-q", "-F", path);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path) };
}

/**
 * Boots a new control VM. Its second disk, at /mnt/lab, has the program and a store with the stand-in images.
 *
 * @param vmb the built program
 * @param share the disk of the share
 * @param cpus a second one halves the time, and needs both cores of a small machine
 */
export async function openControlVm(
  { vmb, share, cpus = 2, images = labImages }: {
    readonly vmb: string;
    readonly share: string;
    readonly cpus?: number;
    readonly images?: Site["images"];
  },
): Promise<ControlVm> {
  await using undo = new AsyncDisposableStack();
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const key = `${folder}/key`;
  if (!await exists(key)) await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key);
  const root = await controlRoot("machine");
  const script = here("control/prepare.sh");
  const base = `${folder}/base-${digestOf(root, await Deno.readTextFile(script))}.raw`;
  if (!await exists(base)) {
    await run("sh", script, root, `${key}.pub`);
    await makeDisk(base, root, "12G");
  }
  const work = await Deno.makeTempDir({ dir: folder, prefix: "run-" });
  undo.defer(() => Deno.remove(work, { recursive: true }));
  await run("cp", "--sparse=always", "--reflink=auto", base, `${work}/vda.raw`);
  await Deno.mkdir(`${work}/lab`);
  await run("cp", vmb, `${work}/lab/vmb`);
  await run("cp", "-a", await imageStore(), `${work}/lab/store`);
  await makeDisk(`${work}/vdb.raw`, `${work}/lab`, "1G");

  const boot = `${root}/boot`;
  const names = await Array.fromAsync(Deno.readDir(boot), ({ name }) => name);
  const newest = (prefix: string) => names.filter((name) => name.startsWith(prefix)).sort().at(-1);
  const port = freePort();
  // It ends with us, however that is.
  const qemu = new Deno.Command("setpriv", {
    args: [
      ...[
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "sh",
        here("in_root.sh"),
        await controlRoot("qemu"),
      ],
      ...[`${work}:/tmp/work`, `${boot}:/tmp/boot`, `${folder}:/tmp/lab`],
      ...["--", "qemu-system-x86_64"],
      ...["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", String(cpus), "-m", "3072"],
      ...["-display", "none", "-nodefaults", "-no-user-config", "-monitor", "none"],
      ...["-serial", "file:/tmp/work/console.log"],
      ...[
        "-kernel",
        `/tmp/boot/${newest("vmlinuz-")}`,
        "-initrd",
        `/tmp/boot/${newest("initrd.")}`,
      ],
      ...["-append", kernelWords],
      ...["-drive", "file=/tmp/work/vda.raw,format=raw,if=virtio,cache=unsafe"],
      ...["-drive", "file=/tmp/work/vdb.raw,format=raw,if=virtio,cache=unsafe,readonly=on"],
      ...["-drive", `file=/tmp/lab/${basename(share)},format=raw,if=virtio,cache=unsafe`],
      ...["-netdev", `user,id=net,hostfwd=tcp:127.0.0.1:${port}-:22`],
      ...["-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"],
    ],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  undo.defer(async () => {
    try {
      qemu.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await qemu.status;
  });

  const ssh: Argv = [
    ...["ssh", "-q", "-i", key, "-p", String(port), "-o", "StrictHostKeyChecking=no"] as const,
    ...["-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=60", "-o", "BatchMode=yes"],
    "root@127.0.0.1",
  ];
  const attempt = (line: string, options: RunOptions = {}) =>
    systemProcesses.run([...ssh, line], { timeoutMs: 1_800_000, ...options });
  const vm: Omit<ControlVm, keyof AsyncDisposable> = {
    images,
    attempt,
    async sh(line, options) {
      const done = await attempt(line, options);
      if (done.code === 0) return done.stdout;
      throw new Error(`${line}: status ${done.code}\n${done.stdout}\n${done.stderr}`);
    },
    async write(path, text) {
      await vm.sh(`cat > '${path}'`, { stdin: text });
    },
    async up() {
      await waitFor(
        async () => {
          const done = await attempt("true", { timeoutMs: 15_000 }).catch(() => undefined);
          return done?.code === 0 || undefined;
        },
        {
          what: "ssh of the control VM",
          deadlineMs: 400_000,
          everyMs: 1000,
          evidence: async () =>
            (await Deno.readTextFile(`${work}/console.log`).catch(() => "")).slice(-3000),
        },
      );
    },
  };
  await vm.up();
  const cleanup = undo.move();
  return { ...vm, [Symbol.asyncDispose]: () => cleanup.disposeAsync() };
}

/**
 * A store of podman with one image under all names: a Debian with the programs of the five containers, with the
 * folders, owners and checks of Bacularis, and with what their entry points are in the lab.
 */
async function imageStore(): Promise<string> {
  const root = await controlRoot("image");
  const parts = ["bacularis.sh", "docker-entrypoint.inc", "import.sh", "index.php", "postgres.sh"];
  const texts = parts.map((name) => Deno.readTextFileSync(here(`control/${name}`)));
  const store = `${folder}/store-${digestOf(root, ...texts)}`;
  if (await exists(store)) return store;
  const bin = `${root}/usr/bin`;
  const entry = `${root}/usr/local/bin/docker-entrypoint.sh`;
  await run("install", "-D", "-m", "0755", here("control/postgres.sh"), entry);
  await run("sh", here("control/bacularis.sh"), root, here("control"));
  // Debian's own choose a cluster by Perl, which takes seconds there.
  const clients = ["psql", "pg_isready", "pg_dump", "pg_restore", "createdb"];
  for (const name of [...clients, "pg_ctl", "initdb", "postgres"]) {
    await run("ln", "-sfn", `/usr/lib/postgresql/17/bin/${name}`, `${bin}/${name}`);
  }
  const tar = `${folder}/image.tar`;
  const excluded = unneeded.map((path) => `--exclude=${path}`);
  await run("tar", "-C", root, "-cf", tar, ...excluded, ".");
  await Deno.mkdir(`${store}.new`, { recursive: true });
  await run(
    ...["unshare", "--mount", "sh", here("control/import.sh")] as const,
    ...[await controlRoot("machine"), `${store}.new`, tar, labImages.postgres, standIn],
  );
  await Deno.remove(tar);
  await Deno.rename(`${store}.new`, store);
  return store;
}

const unneeded = [
  ...["./dev", "./proc", "./sys", "./var/cache", "./var/lib/apt", "./var/lib/postgresql/17"],
  ...["doc", "man", "locale", "i18n", "perl", "perl5"].map((name) => `./usr/share/${name}`),
  ...["*libLLVM*", "*llvmjit*", "*libz3*", "*/bitcode"],
];

async function makeDisk(path: string, content: string, size: string): Promise<void> {
  await run("truncate", "--size", size, `${path}.new`);
  await run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", "-d", content, `${path}.new`);
  await Deno.rename(`${path}.new`, path);
}

async function run(...argv: Argv): Promise<void> {
  await runOk(systemProcesses, argv, { timeoutMs: 900_000 });
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}
