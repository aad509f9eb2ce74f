import assert from "node:assert/strict";
import fc from "fast-check";
import {
  readTpmArchive,
  type TpmFile,
  writeTpmArchive,
} from "../../../core/libvirt/tpm_archive.ts";
import { packTpmState, unpackTpmState } from "../../../core/libvirt/tpm_state.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

Deno.test("a TPM's state is packed and unpacked as it was, and tar reads it", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/state/tpm2`, { recursive: true });
  const content = crypto.getRandomValues(new Uint8Array(7001));
  await Deno.writeFile(`${path}/state/tpm2/tpm2-00.permall`, content, { mode: 0o4777 });
  await Deno.writeTextFile(`${path}/state/tpm2/tpm2-00.volatilestate`, "");
  await Deno.writeTextFile(`${path}/state/tpm2/.lock`, "");
  const packed = await packTpmState(systemFiles, `${path}/state`);
  assert.deepEqual(packed?.strange, []);
  await Deno.writeFile(`${path}/tpm.tar`, packed?.archive ?? new Uint8Array());
  const { stdout } = await runOk(systemProcesses, ["tar", "-tvf", `${path}/tpm.tar`]);
  assert.match(stdout, /^-rw------- 0\/0 +7001 1970-01-01 00:00 \.\/tpm2\/tpm2-00\.permall\n/);
  await unpackTpmState(systemFiles, packed?.archive ?? new Uint8Array(), `${path}/new`);
  assert.deepEqual(await Deno.readFile(`${path}/new/tpm2/tpm2-00.permall`), content);
  const { stdout: modes } = await runOk(systemProcesses, [
    ...["find", `${path}/new`, "-printf", "%P %y %m %U\\n"] as const,
  ]);
  assert.deepEqual(modes.split("\n").filter(Boolean).sort(), [
    ` d 711 ${Deno.uid()}`,
    `tpm2 d 700 ${Deno.uid()}`,
    `tpm2/tpm2-00.permall f 600 ${Deno.uid()}`,
    `tpm2/tpm2-00.volatilestate f 600 ${Deno.uid()}`,
  ]);
});

Deno.test("readTpmArchive reads what GNU tar makes of a state", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.mkdir(`${path}/state/tpm1.2`, { recursive: true });
  await Deno.writeTextFile(`${path}/state/tpm1.2/tpm-00.permall`, "state");
  await Deno.writeTextFile(`${path}/state/tpm1.2/.lock`, "");
  const archive = await tar(`${path}/state`, ".");
  assert.deepEqual(readTpmArchive(archive).map(({ path }) => path), ["tpm1.2/tpm-00.permall"]);
});

Deno.test("packTpmState follows no link that swtpm's user put there, and names what is strange", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/shadow`, "root's");
  await Deno.mkdir(`${path}/state`);
  const pack = () => packTpmState(systemFiles, `${path}/state`);
  await Deno.symlink(`${path}/shadow`, `${path}/state/tpm2-00.permall`);
  await assert.rejects(pack(), { code: "files.link" });
  await Deno.remove(`${path}/state/tpm2-00.permall`);
  await Deno.symlink(path, `${path}/state/tpm2`);
  await assert.rejects(pack(), { code: "files.link" });
  await Deno.remove(`${path}/state/tpm2`);
  await Deno.writeTextFile(`${path}/state/tpm2-00.permall`, "state");
  await Deno.writeTextFile(`${path}/state/notes`, "state");
  assert.deepEqual((await pack())?.strange, ["notes"]);
  assert.equal(await packTpmState(systemFiles, `${path}/missing`), undefined);
});

Deno.test("unpackTpmState takes nothing from an archive that holds more than a state", async () => {
  await using folder = await temporaryFolder();
  const { path } = folder;
  const state = `${path}/state`;
  const file = async (name: string, mode = 0o644) => {
    await Deno.mkdir(`${state}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${state}/${name}`, "state");
    await Deno.chmod(`${state}/${name}`, mode);
  };
  const table: readonly [string, () => Promise<unknown>, string[]?][] = [
    ["a link to a folder", () => Deno.symlink(`${path}/outside`, `${state}/tpm2`)],
    ["a link to a file", async () => {
      await Deno.mkdir(`${state}/tpm2`);
      await Deno.symlink(`${path}/outside/x`, `${state}/tpm2/tpm2-00.permall`);
    }],
    ["a hard link", async () => {
      await file("tpm2/tpm2-00.permall");
      await Deno.link(`${state}/tpm2/tpm2-00.permall`, `${state}/tpm2/tpm2-00.savestate`);
    }],
    ["a FIFO", async () => {
      await Deno.mkdir(`${state}/tpm2`);
      await runOk(systemProcesses, ["mkfifo", `${state}/tpm2/tpm2-00.permall`]);
    }],
    ["a program with setuid", () => file("tpm2/su", 0o4755)],
    ["another folder", () => file("tpm3/tpm2-00.permall")],
    ["a name outside", () => file("x"), ["--transform=s,x,../../outside/x,"]],
    ["an absolute name", () => file("x"), ["-P", "--transform=s,.*x,/root/x,"]],
    ["a long name", () => file(`tpm2/${"a".repeat(120)}`)],
    ["pax headers", () => file("tpm2/tpm2-00.permall"), ["--format=pax", "--pax-option=comment=x"]],
    ["too much", async () => {
      await file("tpm2/tpm2-00.permall");
      await Deno.truncate(`${state}/tpm2/tpm2-00.permall`, 5_000_000);
    }],
    ["nothing", () => Deno.mkdir(`${state}/tpm2`)],
  ];
  await Deno.mkdir(`${path}/outside`);
  for (const [name, make, options = []] of table) {
    await Deno.mkdir(state);
    await make();
    const archive = await tar(state, ".", ...options);
    await assert.rejects(
      unpackTpmState(systemFiles, archive, `${path}/new`),
      { code: "tpm.archive", exit: 6 },
      name,
    );
    assert.equal(await systemFiles.inspect(`${path}/new`), undefined, name);
    await Deno.remove(state, { recursive: true });
  }
});

Deno.test("readTpmArchive of any bytes gives a state, or says that it is none", () => {
  const state: readonly TpmFile[] = [{ path: "tpm2-00.permall", content: new Uint8Array(600) }];
  const whole = writeTpmArchive(state);
  assert.deepEqual(readTpmArchive(whole), state);
  const judged = (archive: Uint8Array) => {
    try {
      assert.ok(readTpmArchive(archive).length > 0);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "tpm.archive");
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 2000 }), judged));
  fc.assert(fc.property(fc.nat(whole.length), fc.nat(255), (at, value) => {
    const changed = whole.slice();
    changed[at] = value;
    judged(changed);
    judged(whole.subarray(0, at));
  }));
});

async function tar(folder: string, ...words: string[]): Promise<Uint8Array<ArrayBuffer>> {
  const argv = ["tar", "--create", "--file=../made.tar", ...words.slice(1), words[0] ?? "."];
  await new Deno.Command("sh", { args: ["-c", 'cd "$0" && exec "$@"', folder, ...argv] }).output();
  const bytes = await Deno.readFile(`${folder}/../made.tar`);
  await Deno.remove(`${folder}/../made.tar`);
  return bytes;
}
