import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import denoJson from "../deno.json" with { type: "json" };
import { toVmbError, VmbError } from "../core/error.ts";
import { mountOf } from "../core/repository/mount.ts";
import { runOk, systemProcesses } from "../core/sys/process.ts";
import launcher from "./launcher.sh" with { type: "text" };

/** A program that Deno compiled, or one that unpacks its runtime when it is first started. */
type Form = "compiled" | "self-extracting";

const usage = `Builds vmb as one executable file.

Usage: deno task build [--form compiled|self-extracting] [--output FILE]

  --form    default: compiled where Deno's runtime for that can be had, else self-extracting
  --output  the file to make; default: dist/vmb
`;

const repository = new URL("..", import.meta.url).pathname;
const compressMinutes = 10;

/** Builds the program, and proves that it starts before it takes the place of the one before. */
async function build(output: string, wanted: Form | undefined): Promise<void> {
  const begun = performance.now();
  await Deno.mkdir(dirname(output), { recursive: true });
  const work = await Deno.makeTempDir({ dir: dirname(output), prefix: ".build-" });
  try {
    const javascript = join(work, "javascript");
    const program = join(work, "vmb");
    await bundle(javascript);
    const form = await makeProgram(javascript, program, wanted);
    await Deno.rename(program, output);
    const { size } = await Deno.stat(output);
    const seconds = Math.round((performance.now() - begun) / 1000);
    say(`Built ${output}: ${form}, ${Math.round(size / 1024 ** 2)} MiB, ${seconds} s`);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** All that the program is made of, as far as it is there; the launcher is packed by itself. */
const sources = ["commands", "core", "deno.json", "deno.lock", "main.ts", "quadlets", "templates"];

/**
 * Makes a folder of minified JavaScript. What only some command or thread needs lies in files of its own:
 * in one big file, every start would load each of Node's modules that any command imports.
 *
 * It is made of a copy of the sources with the libraries inside: the names of the files are digests of the
 * paths from here to there too, and would differ between two machines.
 */
async function bundle(folder: string): Promise<void> {
  const copy = `${folder}.sources`;
  await Deno.mkdir(copy);
  for (const name of sources) {
    const present = await Deno.stat(join(repository, name)).then(() => true, () => false);
    if (present) await runOk(systemProcesses, ["cp", "--recursive", join(repository, name), copy]);
  }
  await deno([
    ...["bundle", "--quiet", "--minify", "--platform=deno", "--code-splitting"],
    ...["--node-modules-dir=auto", "--outdir", folder, "main.ts"],
  ], copy);
}

/** Never chooses silently: which form it is, and why, is said. */
async function makeProgram(
  javascript: string,
  program: string,
  wanted: Form | undefined,
): Promise<Form> {
  const obstacle = wanted === undefined ? await whyNotCompile() : undefined;
  if (wanted !== "self-extracting" && obstacle === undefined) {
    try {
      await compile(javascript, program);
      await prove(program, "compiled");
      return "compiled";
    } catch (error) {
      if (wanted !== undefined) throw error;
      say(`Form: self-extracting, for deno compile made none that works: ${firstLine(error)}`);
    }
  } else if (obstacle !== undefined) {
    say(`Form: self-extracting, for deno compile has no runtime here: ${obstacle}`);
  }
  await pack(javascript, program);
  await prove(program, "self-extracting");
  return "self-extracting";
}

/**
 * Tells what keeps `deno compile` from its runtime, `denort`, which it downloads. Asked first, because a
 * network that swallows packets would hold it up for minutes.
 */
async function whyNotCompile(): Promise<string | undefined> {
  if (Deno.env.has("DENORT_BIN")) return undefined;
  const file = `release/v${Deno.version.deno}/denort-${Deno.build.target}.zip`;
  const { denoDir } = JSON.parse(await deno(["info", "--json"]));
  if (await Deno.stat(join(denoDir, "dl", file)).then(() => true, () => false)) return undefined;
  const host = "https://dl.deno.land";
  try {
    const { ok, status } = await fetch(`${host}/${file}`, {
      method: "HEAD",
      signal: AbortSignal.timeout(5000),
    });
    return ok ? undefined : `${host} answers with status ${status}`;
  } catch (error) {
    const { cause } = error as Error;
    return `${host} cannot be reached (${firstLine(cause ?? error).split(": ").at(-1)})`;
  }
}

async function compile(javascript: string, program: string): Promise<void> {
  await deno([
    ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check", "--no-npm", "--no-remote"],
    ...["--allow-all", "--no-prompt", "--app-name=vmb", "--output", program],
    join(javascript, "main.js"),
  ]);
}

/** Joins the launcher and a tar of Deno and the JavaScript; the same input gives the same bytes. */
async function pack(javascript: string, program: string): Promise<void> {
  const runtime = join(dirname(javascript), "deno");
  await Deno.symlink(Deno.execPath(), runtime);
  const payload = `${program}.tar.gz`;
  await runOk(systemProcesses, [
    ...["tar", "--create", "--dereference", "--format=gnu", "--sort=name", "--mtime=@0"] as const,
    ...["--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"],
    ...["--use-compress-program=gzip -6 -n", "--file", payload],
    ...["--directory", dirname(runtime), basename(runtime)],
    ...["--directory", javascript, "."],
  ], { timeoutMs: compressMinutes * 60_000 });
  const bytes = await Deno.readFile(payload);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const header = new TextEncoder().encode(fillLauncher(sha256));
  await Deno.writeFile(program, header, { mode: 0o755 });
  await Deno.writeFile(program, bytes, { append: true });
}

/** The place of the payload is part of what precedes it, and may make that longer. */
function fillLauncher(sha256: string): string {
  const filled = launcher.replace("@VERSION@", denoJson.version).replace("@SHA256@", sha256);
  for (let start = 1;;) {
    const header = filled.replace("@START@", String(start));
    const after = new TextEncoder().encode(header).length + 1;
    if (after === start) return header;
    start = after;
  }
}

/** Shows that a program starts, and that its threads do: one of them reads a file that was changed. */
async function prove(program: string, form: Form): Promise<void> {
  const work = `${program}.proof`;
  const id = "2026-01-01-000000";
  const backup = join(work, "share/build/vm", id);
  await Deno.mkdir(backup, { recursive: true });
  await Deno.writeTextFile(join(backup, "file"), "changed");
  await Deno.writeTextFile(join(backup, "checksums.sha256"), `${"0".repeat(64)}  file\n`);
  const mount = mountOf(work, await Deno.readTextFile("/proc/self/mountinfo"));
  const env = {
    VMB_UNPACK_DIR: join(work, "unpacked"),
    VMB_CONFIG_DIR: work,
    VMB_BACKUP_ROOT: join(work, "share"),
    VMB_BACKUP_FSTYPES: mount?.type ?? "",
    VMB_BACKUP_LOCAL: "yes",
  };
  const version = await systemProcesses.run([program, "--version"], { env });
  const verify = await systemProcesses.run([program, "hv", "verify", "vm", id], { env });
  for (
    const [{ stdout, stderr }, expected] of [
      [version, `vmb ${denoJson.version} (${form})`],
      [verify, createHash("sha256").update("changed").digest("hex")],
    ] as const
  ) {
    if (stdout.includes(expected)) continue;
    throw new VmbError(`Program says "${(stdout + stderr).trim()}", expected "${expected}"`, {
      code: "build.proof",
    });
  }
}

/** Runs the Deno that runs this, and returns its stdout. */
async function deno(args: readonly string[], folder = repository): Promise<string> {
  const argv = ["env", "-C", folder, Deno.execPath(), ...args] as const;
  const env = { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" };
  return (await runOk(systemProcesses, argv, { env, timeoutMs: 300_000 })).stdout;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function say(text: string): void {
  console.error(text);
}

const { values } = parseArgs({
  options: {
    form: { type: "string" },
    output: { type: "string", default: join(repository, "dist/vmb") },
    help: { type: "boolean" },
  },
});
const { form, output, help } = values;
if (help || (form !== undefined && form !== "compiled" && form !== "self-extracting")) {
  console.error(usage);
  Deno.exit(help ? 0 : 2);
}
try {
  await build(output, form);
} catch (error) {
  console.error(`Build failed: ${toVmbError(error).message}`);
  Deno.exit(1);
}
