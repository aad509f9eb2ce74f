import assert from "node:assert/strict";

export interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset?: number;
}

/** Runs qemu-img (or qemu-io) and returns its stdout; fails when it fails. */
export async function qemu(program: "qemu-img" | "qemu-io", ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, env: { LC_ALL: "C" } })
    .output();
  const text = new TextDecoder().decode(stdout);
  assert.equal(code, 0, `${program} ${args.join(" ")}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

/** Fails on errors, corruption and leaked clusters alike. */
export async function check(path: string): Promise<{ readonly "image-end-offset": number }> {
  const report = JSON.parse(await qemu("qemu-img", "check", "--output=json", "-f", "qcow2", path));
  for (const name of ["check-errors", "corruptions", "leaks"]) {
    assert.equal(report[name] ?? 0, 0, name);
  }
  return report;
}

export async function map(path: string): Promise<readonly MapEntry[]> {
  return JSON.parse(await qemu("qemu-img", "map", "--output=json", "-f", "qcow2", path));
}

/** Runs `body` with a folder that is removed afterwards. */
export async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "vmb-qcow2-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
