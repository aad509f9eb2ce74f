import assert from "node:assert/strict";

const root = new URL("..", import.meta.url).pathname;
const sources = await sourceFiles();

Deno.test("architecture: the outside world is reached from core/sys alone", () => {
  const doors =
    /\bDeno\.|(?<![/"\w])process\.|\bfetch\(|\bnew Worker\(|\b(from|import)\s*\(?\s*"(node:)?(fs|child_process|net|http|https|os|process|worker_threads)(\/\w+)?"/;
  const offenders = sources.filter(({ path, code }) =>
    !path.startsWith("core/sys/") && doors.test(code)
  );
  assert.deepEqual(offenders.map(({ path }) => path), []);
});

Deno.test("architecture: core imports nothing of commands, and commands nothing of tests", () => {
  for (const { path, code } of sources) {
    const imported = [...code.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]*)"/g)]
      .map(([, target = ""]) => new URL(target, `file:///${path}`).pathname.slice(1));
    const wrong = imported.filter((target) =>
      target.startsWith("tests/") || target === "main.ts" ||
      (path.startsWith("core/") && !/^(core|templates|quadlets)\//.test(target))
    );
    assert.deepEqual(wrong, [], path);
  }
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

interface SourceFile {
  /** Relative to the project. */
  readonly path: string;
  /** Without comments: a docstring may speak of what the code must not do. */
  readonly code: string;
  readonly lines: number;
}

async function sourceFiles(): Promise<readonly SourceFile[]> {
  const paths = ["main.ts"];
  for (const folder of ["core", "commands"]) await collect(folder, paths);
  return await Promise.all(
    paths.sort().map(async (path) => {
      const text = await Deno.readTextFile(`${root}/${path}`);
      const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "");
      return { path, code, lines: text.split("\n").length - 1 };
    }),
  );
}

async function collect(folder: string, paths: string[]): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(`${root}/${folder}`)) {
    if (isDirectory) await collect(`${folder}/${name}`, paths);
    else if (name.endsWith(".ts")) paths.push(`${folder}/${name}`);
  }
}
