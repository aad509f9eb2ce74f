import assert from "node:assert/strict";

const root = new URL("..", import.meta.url).pathname;
const sources = await sourceFiles();

/** The rooms of `core/`, from the ground up: each imports only what stands below it. */
const floors = [
  ...["error", "event", "at_once", "format"],
  "sys", // every door to the outside
  ...["config", "secrets", "pki", "ssh"],
  ...["qcow2", "nbd", "libvirt"],
  ...["block_map", "copy", "image"],
  "journal", // what was begun and not yet undone
  ...["repository", "survey"],
  ...["undo", "recovery"],
  ...["checks", "notify"],
  "run", // what every run has in common
  ...["capture", "backup", "restore", "proof"],
  ...["render", "bacula", "podman"],
  ...["install", "deploy"],
];

Deno.test("architecture: the outside world is reached from core/sys alone", () => {
  const doors =
    /\bDeno\.|(?<![/"\w])process\.|\bfetch\(|\bnew Worker\(|\b(from|import)\s*\(?\s*"(node:)?(fs|child_process|net|http|https|os|process|worker_threads)(\/\w+)?"/;
  const offenders = sources.filter(({ path, code }) =>
    !path.startsWith("core/sys/") && doors.test(code)
  );
  assert.deepEqual(offenders.map(({ path }) => path), []);
});

Deno.test("architecture: core imports nothing of commands, and commands nothing of tests", () => {
  for (const { path, imports } of sources) {
    const wrong = imports.filter((target) =>
      target.startsWith("tests/") || target === "main.ts" ||
      (path.startsWith("core/") && !/^(core|templates|quadlets)\//.test(target))
    );
    assert.deepEqual(wrong, [], path);
  }
});

Deno.test("architecture: a room of core imports only rooms that stand below it", () => {
  const upward: string[] = [];
  const unknown = new Set<string>();
  for (const { path, imports } of sources.filter(({ path }) => path.startsWith("core/"))) {
    const from = floors.indexOf(roomOf(path));
    if (from === -1) unknown.add(roomOf(path));
    for (const target of imports.filter((target) => target.startsWith("core/"))) {
      if (roomOf(target) !== roomOf(path) && floors.indexOf(roomOf(target)) >= from) {
        upward.push(`${path} -> ${target}`);
      }
    }
  }
  assert.deepEqual([...unknown], [], "each room has its floor");
  assert.deepEqual(upward, []);
});

Deno.test("architecture: no files import each other in a circle, types neither", () => {
  const importsOf = new Map(sources.map(({ path, imports }) => [path, imports]));
  const ended = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, way: readonly string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" -> "));
    if (ended.has(path) || way.includes(path)) return;
    for (const target of importsOf.get(path) ?? []) visit(target, [...way, path]);
    ended.add(path);
  };
  for (const { path } of sources) visit(path, []);
  assert.deepEqual(circles, []);
});

Deno.test("architecture: no file of core or commands has more than 300 lines", () => {
  const long = sources.filter(({ lines }) => lines > 300).map(({ path, lines }) => [path, lines]);
  assert.deepEqual(long, []);
});

Deno.test("architecture: only main.ts ends the process", () => {
  const offenders = sources.filter(({ path, code }) =>
    path !== "main.ts" && path !== "core/sys/host.ts" &&
    /\b(Deno|process|host)\.exit\b|\bexitCode\s*=(?!=)/.test(code)
  );
  assert.deepEqual(offenders.map(({ path }) => path), []);
});

Deno.test("architecture: there is no default export, and no catch-all file", () => {
  const offenders = sources.filter(({ path, code }) =>
    /^export default/m.test(code) || /\/(utils?|helpers?|types|common|misc)\.ts$/.test(path)
  );
  assert.deepEqual(offenders.map(({ path }) => path), []);
});

Deno.test("architecture: no file of the project names a place on the machine of its author", async () => {
  // Written in two halves, so that this file does not name one either.
  const places = ["work", "tmp/env"].map((place) => `/${place}${place === "work" ? "/" : ".sh"}`);
  const { stdout, success } = await new Deno.Command("git", {
    args: ["-C", root, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
  }).output();
  if (!success) return;
  const offenders: string[] = [];
  for (const name of new TextDecoder().decode(stdout).split("\0")) {
    const text = name && await Deno.readTextFile(`${root}/${name}`).catch(() => "");
    const found = places.find((place) => new RegExp(`(^|[^\\w.-])${place}`).test(text));
    if (found !== undefined) offenders.push(`${name}: ${found}`);
  }
  assert.deepEqual(offenders, []);
});

/** A folder of `core/`, or a file that lies there by itself. */
function roomOf(path: string): string {
  return (path.split("/")[1] ?? "").replace(/\.ts$/, "");
}

interface SourceFile {
  /** Relative to the project. */
  readonly path: string;
  /** Without comments: a docstring may speak of what the code must not do. */
  readonly code: string;
  /** What of the project it imports, relative to it; types too. */
  readonly imports: readonly string[];
  readonly lines: number;
}

async function sourceFiles(): Promise<readonly SourceFile[]> {
  const paths = ["main.ts"];
  for (const folder of ["core", "commands"]) await collect(folder, paths);
  return await Promise.all(
    paths.sort().map(async (path) => {
      const text = await Deno.readTextFile(`${root}/${path}`);
      const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
      const imports = [...code.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/g)]
        .map(([, target = ""]) => new URL(target, `file:///${path}`).pathname.slice(1));
      return { path, code, imports, lines: text.split("\n").length - 1 };
    }),
  );
}

async function collect(folder: string, paths: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
    if (isDirectory) await collect(`${folder}/${name}`, paths);
    else if (name.endsWith(".ts")) paths.push(`${folder}/${name}`);
  }
}
