import assert from "node:assert/strict";
import { vmJobName } from "../../../core/bacula/names.ts";
import { secretRecipes } from "../../../core/podman/secret_recipe.ts";
import { type ServiceName, services } from "../../../core/podman/service.ts";
import type { Machine } from "../../../core/deploy/places.ts";
import type { Files } from "../../../core/sys/files.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { systemHost } from "../../../core/sys/host.ts";
import type { Argv, Completed, Processes, RunOptions } from "../../../core/sys/process.ts";
import { recordedConsole } from "../bacula/recorded_console.ts";
import { bacularisAnswer } from "./fake_bacularis.ts";
import { fakeClock } from "../sys/fake_clock.ts";

/** What a service has read: its unit, its secrets and its configuration. */
export interface Started {
  readonly unit: string;
  readonly secrets: Readonly<Record<string, string>>;
  config: string;
}

/** What the catalog has of a cycle in which nothing was passed over, on whatever day a test runs. */
const begunJobs = ["prod-db-01", "asav1", 'wiki "old" $x 100% ü', "archive"]
  .map((vm) => `${vmJobName(vm)}|1|t`).join("\n");

/** A job that the Director has at hand; the letter is Bacula's: R runs, A is canceled. */
export interface FakeJob {
  readonly id: number;
  readonly name: string;
  readonly status: "R" | "A";
}

/**
 * A control VM in memory, with its files below a temporary folder: podman, systemd and PostgreSQL as far as a deploy
 * needs them. The systemd lab has the real ones. A container starts only as a real one would: from the units that
 * systemd read last, with the secrets of that moment, and the Director only with a catalog that knows its password.
 */
export interface FakeMachine extends AsyncDisposable {
  readonly root: string;
  readonly machine: Machine;
  /** Programs that were run, in order. */
  readonly calls: Argv[];
  readonly images: Set<string>;
  readonly secrets: Map<string, { readonly label: string; readonly content: string }>;
  readonly started: Map<ServiceName, Started>;
  readonly enabled: Set<string>;
  readonly database: { password: string; version: number | undefined; restored: boolean };
  readonly volumes: Set<string>;
  /** Answers that a test wants otherwise: by the words of the program, joined by spaces. */
  readonly answers: Map<RegExp, Partial<Completed>>;
  jobs: readonly FakeJob[];
  /** Counts what changes something; before this one it ends. */
  killAt: number | undefined;
  steps: number;
  /** Path of a file of the machine in the real world. */
  at(path: string): string;
}

export class Killed extends Error {}

export async function openFakeMachine(): Promise<FakeMachine> {
  const memory = await Deno.stat("/dev/shm").then(() => "/dev/shm", () => undefined);
  const root = await Deno.makeTempDir({ prefix: "vmb-deploy-", ...memory && { dir: memory } });
  const units = new Map<string, string>();
  const containers = "/etc/containers/systemd";
  const at = (path: string) => `${root}${path}`;

  function step<Value>(work: () => Value | Promise<Value>): Value | Promise<Value> {
    if (++fake.steps === fake.killAt) throw new Killed(`before step ${fake.steps}`);
    return work();
  }

  async function run(argv: Argv, options: RunOptions = {}): Promise<Completed> {
    fake.calls.push(argv);
    const words = argv.join(" ");
    const other = [...fake.answers].find(([pattern]) => pattern.test(words))?.[1];
    const answer = other ?? await answerOf(argv, words, options);
    return { argv, code: 0, stdout: "", stderr: "", ...answer };
  }

  async function answerOf(
    argv: Argv,
    words: string,
    { stdin = "" }: RunOptions,
  ): Promise<Partial<Completed>> {
    if (argv[0] === "systemctl") return await systemctl(argv);
    if (argv[0] === "podman") return await podman(argv, words, String(stdin));
    if (words.startsWith("openssl passwd")) {
      return { stdout: `$6$${argv[4]}$${"x".repeat(86)}\n` };
    }
    if (words.startsWith("openssl s_client")) return bacularis(String(stdin));
    if (argv[0] === "timedatectl") return { stdout: "yes\n" };
    if (["journalctl", "/usr/libexec/podman/quadlet", "git", "mount"].includes(argv[0])) return {};
    assert.fail(`No program of a control VM: ${words}`);
  }

  /** The page takes any password but the image's: in memory, nobody hashes one. */
  function bacularis(request: string): Partial<Completed> {
    const apiPassword = fake.secrets.get("vmb-api-login")?.content.split(":")[1] ?? "";
    const form = new URLSearchParams(request.split("\r\n\r\n")[1]);
    const given = form.get("ctl0$Main$Password") ?? "";
    const adminPassword = given === "admin" ? "" : given;
    return { stdout: bacularisAnswer(request, { apiPassword, adminPassword }) };
  }

  async function systemctl([, verb = "", ...rest]: Argv): Promise<Partial<Completed>> {
    switch (verb) {
      case "is-system-running":
        return { stdout: "running\n" };
      case "show":
        return { stdout: rest.slice(rest.indexOf("--") + 1).map(showUnit).join("\n\n") };
      case "reset-failed":
        return {};
      case "daemon-reload":
        return await step(async () => {
          units.clear();
          for (const name of await systemFiles.list(at(containers))) {
            units.set(name, await Deno.readTextFile(at(`${containers}/${name}`)));
          }
          return {};
        });
      case "enable":
        return await step(() => {
          fake.enabled.add(rest.at(-1) ?? "");
          return {};
        });
      case "disable":
        return await step(() => {
          fake.enabled.delete(rest.at(-1) ?? "");
          return {};
        });
      default:
        return await step(() => changeUnit(verb, rest[0] ?? ""));
    }
  }

  function showUnit(unit: string): string {
    const name = serviceOf(unit);
    const isActive = name === undefined ? fake.enabled.has(unit) : fake.started.has(name);
    const loaded = name === undefined || units.has(`${name}.container`);
    return [
      `Id=${unit}`,
      `LoadState=${loaded ? "loaded" : "not-found"}`,
      `ActiveState=${isActive ? "active" : "inactive"}`,
      `UnitFileState=${name !== undefined ? "generated" : isActive ? "enabled" : "disabled"}`,
    ].join("\n");
  }

  async function changeUnit(verb: string, unit: string): Promise<Partial<Completed>> {
    const name = serviceOf(unit);
    assert.ok(name !== undefined, unit);
    if (verb === "stop") {
      fake.started.delete(name);
      return {};
    }
    const text = units.get(`${name}.container`);
    if (text === undefined) return { code: 5, stderr: `Unit ${unit} not found.` };
    const image = /^Image=(.*)$/m.exec(text)?.[1] ?? "";
    if (!fake.images.has(image)) return { code: 1, stderr: `no image ${image}` };
    const config = await configOf(name);
    const before = fake.started.get(name);
    if (verb === "reload") {
      assert.ok(before, `${name} cannot reload: it does not run`);
      before.config = config;
      return {};
    }
    if (verb === "start" && before !== undefined) return {};
    const secrets: Record<string, string> = {};
    for (const [, secret = ""] of text.matchAll(/^Secret=([^,\n]+)/gm)) {
      const found = fake.secrets.get(secret);
      if (found === undefined) return { code: 1, stderr: `no secret ${secret}` };
      secrets[secret] = found.label;
    }
    if (name === "vmb-postgres" && fake.database.password === "") {
      fake.database.password = fake.secrets.get("vmb-db-password")?.content ?? "";
    }
    if (name === "vmb-director") {
      const login = fake.secrets.get("vmb-catalog-password")?.content ?? "";
      if (fake.database.version === undefined) return { code: 1, stderr: "no catalog tables" };
      if (!login.includes(`"${fake.database.password}"`)) {
        return { code: 1, stderr: "password authentication failed" };
      }
    }
    fake.started.set(name, { unit: text, secrets, config });
    return {};
  }

  async function configOf(name: ServiceName): Promise<string> {
    const paths: Readonly<Record<ServiceName, readonly string[]>> = {
      "vmb-postgres": [],
      "vmb-director": ["bacula/bacula-dir.conf"],
      "vmb-storage": ["bacula/bacula-sd.conf"],
      "vmb-api": ["api/api.conf", "nginx/api/bacularis.conf"],
      "vmb-web": ["web/settings.conf", "nginx/web/bacularis.conf"],
    };
    const texts = paths[name].map((path) => Deno.readTextFile(at(`/etc/vm-backup/${path}`)));
    return (await Promise.all(texts)).join("\n");
  }

  async function podman(
    [, verb = "", ...rest]: Argv,
    words: string,
    stdin: string,
  ): Promise<Partial<Completed>> {
    switch (`${verb} ${rest[0]}`) {
      case "version --format":
        return { stdout: "5.4.2\n" };
      case "info --format":
        return {
          stdout: JSON.stringify({
            host: {
              networkBackend: "netavark",
              ociRuntime: { name: "crun" },
              cgroupVersion: "v2",
            },
            store: { graphRoot: "/var/lib/containers/storage" },
          }),
        };
      case "image exists":
        return { code: fake.images.has(rest[1] ?? "") ? 0 : 1 };
      case "pull --quiet":
        return await step(() => {
          fake.images.add(rest[1] ?? "");
          return {};
        });
      case "container inspect": {
        const name = rest.at(-1) as ServiceName;
        if (!fake.started.has(name)) {
          return { code: 125, stdout: "[]", stderr: `Error: no such container ${name}` };
        }
        const State = { Status: "running", Health: { Status: "healthy" } };
        return { stdout: JSON.stringify([{ State, OCIRuntime: "crun" }]) };
      }
      case "secret ls":
        return { stdout: [...fake.secrets.keys()].join("\n") };
      case "secret inspect":
        return {
          stdout: JSON.stringify(
            rest.slice(1).map((Name) => ({
              Spec: { Name, Labels: { "vmb-made-of": fake.secrets.get(Name)?.label } },
            })),
          ),
        };
      case "secret create":
        return await step(() => {
          const label = (rest[3] ?? "").split("=")[1] ?? "";
          fake.secrets.set(rest[4] ?? "", { label, content: stdin });
          return {};
        });
      case "secret exists":
        return { code: fake.secrets.has(rest[1] ?? "") ? 0 : 1 };
      case "secret rm":
        return await step(() => {
          fake.secrets.delete(rest[1] ?? "");
          return {};
        });
      case "volume exists":
        return { code: fake.volumes.has(rest[1] ?? "") ? 0 : 1 };
      case "volume rm":
        return await step(() => {
          fake.volumes.delete(rest[1] ?? "");
          return {};
        });
      case "network rm":
      case "system migrate":
        return {};
    }
    if (verb === "run") {
      if (!words.includes("--entrypoint=/bin/sh")) return {};
      if (!words.includes("MAKE=yes")) return { stdout: "version 1026\n" };
      return await step(() => {
        fake.database.version = 1026;
        return { stdout: "version 1026\n" };
      });
    }
    if (verb === "cp") return await step(() => ({}));
    if (verb === "exec") return await exec(rest.slice(1), stdin);
    assert.fail(`No podman command of a deploy: ${words}`);
  }

  async function exec(
    [container = "", program = "", ...args]: readonly string[],
    stdin: string,
  ): Promise<Partial<Completed>> {
    if (!fake.started.has(container as ServiceName)) return { code: 125, stderr: "no container" };
    if (program === "psql") {
      const password = /^ALTER ROLE bacula PASSWORD '(.*)';/.exec(stdin)?.[1];
      if (password !== undefined) {
        return await step(() => {
          fake.database.password = password;
          return {};
        });
      }
      const { version } = fake.database;
      if (stdin.includes("to_regclass")) return { stdout: version === undefined ? "" : "version" };
      if (stdin.includes("GROUP BY J.Name")) return { stdout: begunJobs };
      return { stdout: stdin.includes("json_agg") ? "[]" : `${version ?? ""}` };
    }
    if (program === "pg_restore") {
      return await step(() => {
        fake.database.version = 1026;
        fake.database.restored = true;
        return {};
      });
    }
    if (program === "bconsole") {
      assert.equal(args.at(-1), "/etc/vmb-bacula/monitor.conf");
      const bconsole = recordedConsole("15.0.3", {
        ".status dir running": `\nrunning:\n${fake.jobs.map(jobBlock).join("\n")}]\n`,
        "status client=hv2-fd": "hv2-fd Version: 15.0.3 (25 March 2025)",
      });
      return await bconsole.run(["bconsole"], { stdin });
    }
    if (program === "openssl") return bacularis(stdin);
    assert.ok(["dd", "rm", "sh"].includes(program), [program, ...args].join(" "));
    return {};
  }

  const processes: Processes = {
    run,
    start: () => assert.fail("A deploy starts no daemon"),
    follow: () => assert.fail("A deploy follows no program"),
  };
  const fake: FakeMachine = {
    root,
    at,
    calls: [],
    images: new Set(),
    secrets: new Map(),
    started: new Map(),
    enabled: new Set(),
    database: { password: "", version: undefined, restored: false },
    volumes: new Set(),
    answers: new Map(),
    jobs: [],
    killAt: undefined,
    steps: 0,
    machine: {
      // A certificate that was just made is valid.
      clock: fakeClock(new Date(Date.now() + 3_600_000).toISOString()),
      files: filesBelow(at, step),
      host: { ...systemHost, uid: () => 0, pid: 42, env: () => undefined },
      processes,
    },
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
  await Deno.mkdir(at("/proc/self"), { recursive: true });
  await Deno.mkdir(at("/proc/net"), { recursive: true });
  await Deno.mkdir(at("/mnt/backup"), { recursive: true });
  await Deno.writeTextFile(
    at("/proc/self/mountinfo"),
    "1 0 8:1 / / rw - ext4 /dev/vda rw\n" +
      "2 1 0:50 / /mnt/backup rw,relatime - nfs4 nas.lab.example:/export/backup rw,vers=4.2\n",
  );
  return fake;
}

function serviceOf(unit: string): ServiceName | undefined {
  return services.find((name) => unit === `${name}.service`);
}

function jobBlock({ id, name, status }: FakeJob): string {
  return `
jobid=${id}
level=F
type=B
status=${status}
status_desc=${status === "A" ? "has been canceled" : "is running"}
name=${name}
schedtime_epoch=1795330286
priority=100
errors=0
`;
}

/** The files of a machine lie below a folder; what changes one is a step that may be the last. */
function filesBelow(
  at: (path: string) => string,
  step: <Value>(work: () => Value | Promise<Value>) => Value | Promise<Value>,
): Files {
  const files = systemFiles;
  /** What is only tried, in a folder that nobody reads, is no step of its own. */
  const counted = async <Value>(path: string, work: () => Promise<Value>) =>
    path.includes("/control/test/") ? await work() : await step(work);
  return {
    ...files,
    readText: (path) => files.readText(at(path)),
    read: (path) => files.read(at(path)),
    // Not through fsync: a whole deploy is done hundreds of times.
    write: (path, content, { mode = 0o600 } = {}) =>
      counted(path, async () => {
        const temporary = `${at(path)}.tmp`;
        await (typeof content === "string"
          ? Deno.writeTextFile(temporary, content)
          : Deno.writeFile(temporary, content));
        await Deno.chmod(temporary, mode);
        await Deno.rename(temporary, at(path));
      }),
    makeFolder: (path, { below, ...options } = {}) =>
      files.makeFolder(at(path), { ...options, below: below && at(below) }),
    list: (path) => files.list(at(path)),
    inspect: (path) => files.inspect(at(path)),
    inspectTarget: (path) => files.inspectTarget(at(path)),
    remove: (path) => counted(path, () => files.remove(at(path))),
    makeLink: (path, target) => counted(path, () => files.makeLink(at(path), target)),
    readLink: (path) => files.readLink(at(path)),
    syncFolder: () => Promise.resolve(),
    space: () => Promise.resolve({ free: 50 * 1024 ** 3, total: 100 * 1024 ** 3 }),
    lock: (path) => files.lock(at(path)),
    realPath: (path) => Promise.resolve(path),
  };
}

/** Names of the secrets that a deploy makes. */
export const secretNames = secretRecipes.map(({ name }) => name);
