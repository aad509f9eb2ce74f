import assert from "node:assert/strict";
import type { Files } from "../../../core/sys/files.ts";
import { createSink, openSource, readPieces, systemFiles } from "../../../core/sys/files.ts";
import { runOk, systemProcesses } from "../../../core/sys/process.ts";
import { shareFiles } from "../../../core/sys/share_files.ts";
import { temporaryFolder } from "../nbd/servers.ts";

/** A share, and what lies outside of it and must stay as it is. */
async function hostileShare(folder: string) {
  const [root, outside] = [`${folder}/share`, `${folder}/outside`];
  await Deno.mkdir(`${root}/real`, { recursive: true });
  await Deno.mkdir(`${outside}/inner`, { recursive: true });
  await Deno.writeTextFile(`${outside}/secret`, "secret", { mode: 0o640 });
  await Deno.writeTextFile(`${outside}/inner/kept`, "kept");
  await Deno.writeTextFile(`${root}/real/file`, "content");
  await Deno.symlink(outside, `${root}/folder`);
  await Deno.symlink(`${outside}/secret`, `${root}/real/link`);
  await Deno.symlink(`${outside}/absent`, `${root}/real/dangling`);
  await Deno.symlink("../../outside", `${root}/real/relative`);
  const look = async () =>
    (await runOk(systemProcesses, ["find", outside, "-printf", "%p %y %m %U %s %T@ %C@\\n"]))
      .stdout;
  return { root, outside, look, share: shareFiles(systemFiles, root, 10_000) };
}

/** Everything that the door does to one path. */
const operations: Readonly<Record<string, (share: Files, path: string) => Promise<unknown>>> = {
  readText: (share, path) => share.readText(path),
  read: (share, path) => share.read(path),
  readStart: (share, path) => share.readStart(path, 3),
  appendTo: async (share, path) => await (await share.appendTo(path)).append("forged"),
  copy: (share, path) => share.copy(path, path),
  list: (share, path) => share.list(path),
  syncFile: (share, path) => share.syncFile(path),
  syncFolder: (share, path) => share.syncFolder(path),
  own: (share, path) => share.own(path, 12345, 12345),
  setMode: (share, path) => share.setMode(path, 0o777),
  space: (share, path) => share.space(path),
  lock: async (share, path) => await (await share.lock(path))?.write("forged"),
};

/** These may take the place of a link, but never go through it. */
const replacing: typeof operations = {
  write: (share, path) => share.write(path, "forged", { mode: 0o777 }),
  makeLink: (share, path) => share.makeLink(path, "nowhere"),
  remove: (share, path) => share.remove(path),
  rename: (share, path) => share.rename(path, `${path}-2`),
};

const everything: typeof operations = {
  ...operations,
  ...replacing,
  makeFolder: (share, path) => share.makeFolder(path),
  inspect: (share, path) => share.inspect(path),
  inspectTarget: (share, path) => share.inspectTarget(path),
  readLink: (share, path) => share.readLink(path),
  renameTo: (share, path) => share.rename(`${path.split("/share/")[0]}/share/real/file`, path),
};

for (const [name, operation] of Object.entries(everything)) {
  Deno.test(`shareFiles: ${name} goes through no link to a folder`, async () => {
    await using folder = await temporaryFolder();
    const { root, share, look } = await hostileShare(folder.path);
    const before = await look();
    for (
      const path of ["folder/secret", "folder/new", "folder/inner/kept", "real/relative/inner"]
    ) {
      await assert.rejects(operation(share, `${root}/${path}`), { code: "files.link" }, path);
    }
    assert.equal(await look(), before);
  });
}

for (const [name, operation] of Object.entries(operations)) {
  Deno.test(`shareFiles: ${name} takes no link for the file`, async () => {
    await using folder = await temporaryFolder();
    const { root, share, look } = await hostileShare(folder.path);
    const before = await look();
    for (const path of ["real/link", "real/dangling", "folder"]) {
      const error = await operation(share, `${root}/${path}`).then(() => undefined, (e) => e);
      assert.equal(error?.code, "files.link", path);
      assert.match(error.message, new RegExp(`/${path}" is a link`));
    }
    assert.equal(await look(), before);
  });
}

for (
  const [name, operation] of Object.entries({ ...replacing, makeFolder: everything["makeFolder"] })
) {
  Deno.test(`shareFiles: ${name} at the place of a link changes nothing behind it`, async () => {
    await using folder = await temporaryFolder();
    const { root, share, look } = await hostileShare(folder.path);
    const before = await look();
    for (const path of ["real/link", "real/dangling", "folder"]) {
      await operation?.(share, `${root}/${path}`).catch((error) =>
        assert.equal(error.code, "files.link")
      );
    }
    assert.equal(await look(), before);
  });
}

Deno.test("shareFiles refuses paths that lead out of its root", async () => {
  await using folder = await temporaryFolder();
  const { root, outside, share, look } = await hostileShare(folder.path);
  const before = await look();
  for (
    const path of ["../outside/secret", "real/../../outside/secret", "real/./file", "real//file"]
  ) {
    for (const operation of Object.values(everything)) {
      await assert.rejects(operation(share, `${root}/${path}`), { code: "files.path" });
    }
  }
  await assert.rejects(share.readText(`${outside}/secret`), { code: "files.path" });
  await assert.rejects(share.readText(`${root}-2/secret`), { code: "files.path" });
  assert.equal(await look(), before);
});

Deno.test("shareFiles opens regular files only, and waits for nothing else", async () => {
  await using folder = await temporaryFolder();
  const { root, share } = await hostileShare(folder.path);
  const make = (name: string, ...type: string[]) =>
    systemProcesses.run(["mknod", `${root}/real/${name}`, ...type]);
  await runOk(systemProcesses, ["mkfifo", `${root}/real/fifo`]);
  const special = ["fifo"];
  // Where nobody may make devices there is none to be met.
  if ((await make("null", "c", "1", "3")).code === 0) special.push("null");
  if ((await make("zero", "c", "1", "5")).code === 0) special.push("zero");
  if ((await make("loop", "b", "7", "250")).code === 0) special.push("loop");
  const socket = Deno.listen({ transport: "unix", path: `${root}/real/socket` });
  for (const name of [...special, "socket"]) {
    const path = `${root}/real/${name}`;
    for (const open of ["read", "readText", "appendTo", "lock", "syncFile"]) {
      await assert.rejects(
        operations[open]?.(share, path) ?? Promise.resolve(),
        { code: "files.not-regular" },
        `${open} ${name}`,
      );
    }
    await assert.rejects(openSource(path, { below: root }), { code: "files.not-regular" });
    await assert.rejects(
      readPieces(path, 1024, { below: root }).next(),
      { code: "files.not-regular" },
    );
  }
  socket.close();
});

Deno.test("shareFiles does not lock, and so overwrite, a file by a second name of it", async () => {
  await using folder = await temporaryFolder();
  const { root, share } = await hostileShare(folder.path);
  await Deno.link(`${root}/real/file`, `${root}/real/site.lock`);
  await assert.rejects(share.lock(`${root}/real/site.lock`), { code: "files.hard-link" });
  assert.equal(await Deno.readTextFile(`${root}/real/file`), "content");
});

Deno.test("shareFiles reads no more than it was told to, of a file that is sparse or grows", async () => {
  await using folder = await temporaryFolder();
  const { root, share } = await hostileShare(folder.path);
  const path = `${root}/real/manifest`;
  await Deno.writeTextFile(path, "1234567");
  assert.equal(await share.readText(path, { limit: 7 }), "1234567");
  await assert.rejects(share.readText(path, { limit: 6 }), { code: "files.too-large" });
  await Deno.truncate(path, 6 * 1024 ** 3);
  await assert.rejects(share.read(path), { code: "files.too-large" });
});

Deno.test("sinks and sources below a root go through no link", async () => {
  await using folder = await temporaryFolder();
  const { root, look } = await hostileShare(folder.path);
  const before = await look();
  for (const path of ["folder/new", "real/relative/new"]) {
    await assert.rejects(createSink(`${root}/${path}`, { below: root }), { code: "files.link" });
  }
  await assert.rejects(createSink(`${root}/real/dangling`, { below: root }), { code: "EEXIST" });
  for (const path of ["folder/secret", "real/link"]) {
    await assert.rejects(openSource(`${root}/${path}`, { below: root }), { code: "files.link" });
    await assert.rejects(
      readPieces(`${root}/${path}`, 16, { below: root }).next(),
      { code: "files.link" },
    );
  }
  const sink = await createSink(`${root}/real/new`, { below: root });
  sink.writeAt(new Uint8Array([1]), 0);
  sink.close();
  const source = await openSource(`${root}/real/new`, { below: root });
  assert.equal(source.size, 1);
  source.close();
  assert.equal(await look(), before);
});

Deno.test("shareFiles: a link that takes a folder's place in the middle catches nothing", async () => {
  await using folder = await temporaryFolder();
  const { root, outside, share } = await hostileShare(folder.path);
  await Deno.mkdir(`${outside}/deep`);
  await Deno.mkdir(`${root}/real/deep`);
  const swapper = new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `const [a, b, c] = ${JSON.stringify(["real", "swap", "folder"].map((n) => `${root}/${n}`))};
       for (;;) { Deno.renameSync(a, b); Deno.renameSync(c, a); Deno.renameSync(a, c); Deno.renameSync(b, a); }`,
    ],
    stderr: "null",
  }).spawn();
  let done = 0;
  let refused = 0;
  try {
    for (let round = 0; round < 200 || refused * done === 0 && round < 5000; round++) {
      const tries = [
        share.write(`${root}/real/deep/written`, "x"),
        share.appendTo(`${root}/real/deep/appended`).then((file) => file.close()),
        share.remove(`${root}/real/deep/kept`),
      ];
      for (const { status } of await Promise.allSettled(tries)) {
        if (status === "fulfilled") done++;
        else refused++;
      }
    }
  } finally {
    swapper.kill("SIGKILL");
    await swapper.status;
  }
  assert.ok(refused > 0, "no link was ever met");
  assert.ok(done > 0, "the folder was never met");
  assert.deepEqual([...Deno.readDirSync(`${outside}/deep`)], []);
});
