import assert from "node:assert/strict";
import { backupFolder, manifestName } from "../../../core/repository/layout.ts";
import { mountOf } from "../../../core/repository/mount.ts";
import { addressIn, publishBackup } from "../../core/repository/stored.ts";
import { openSite } from "../run.ts";

const [older, newest] = ["2026-11-20-120000", "2026-11-21-120000"];

/** Every way to a backup that goes by `latest`. */
const commands: readonly (readonly string[])[] = [
  ["show", "gw-1"],
  ["show", "gw-1", "latest", "--json"],
  ["verify", "gw-1"],
  ["restore", "gw-1"],
  ["restore", "gw-1", "latest", "--dry-run"],
  ["test-restore", "gw-1"],
  ["files", "gw-1", "latest", "ls", "/"],
];

Deno.test("vmb hv: nothing takes an older backup for the latest one in silence", async () => {
  const mounts = await Deno.readTextFile("/proc/self/mountinfo");
  const { type } = mountOf(Deno.env.get("TMPDIR") ?? "/tmp", mounts) ?? {};
  await using site = await openSite({ conf: `BACKUP_FSTYPES=${type}\nBACKUP_LOCAL=yes` });
  for (const id of [older, newest]) {
    const instant = `${id.slice(0, 10)}T12:00:00.000Z`;
    await publishBackup(site.folder, addressIn(site.share, { id }), {}, { instant });
  }
  const manifest = `${backupFolder(addressIn(site.share, { id: newest }))}/${manifestName}`;
  const whole = await Deno.readTextFile(manifest);
  const states: readonly [string, string, RegExp][] = [
    ["newer", whole.replace('"schemaVersion": 1', '"schemaVersion": 2'), /is of a newer vmb/],
    ["damaged", whole.slice(0, -9), /is damaged/],
  ];
  for (const [state, text, words] of states) {
    await Deno.writeTextFile(manifest, text);
    for (const command of commands) {
      const { code, out, err } = await site.run("hv", ...command);
      const shown = `${state}: ${command.join(" ")}: ${err}${out}`;
      assert.equal(code, 6, shown);
      assert.match(err, new RegExp(`The newest backup of "gw-1", ${newest}, `), shown);
      assert.match(err, words, shown);
      assert.match(err, new RegExp(`hint: Name the backup that you want, as ${older} `), shown);
      if (state === "newer") assert.doesNotMatch(err, /Do not restore|is damaged/, shown);
      if (!command.includes("--json")) assert.equal(out, "", shown);
    }
    // By its id it is found, and called what it is.
    for (const command of [["show", "gw-1", newest], ["verify", "gw-1", newest]]) {
      const { code, out, err } = await site.run("hv", ...command);
      assert.equal(code, 6, `${out}${err}`);
      if (state === "newer") assert.doesNotMatch(`${out}${err}`, /FAILED|Do not restore/);
    }
    const listed = await site.run("hv", "list");
    assert.equal(listed.code, 0);
    assert.match(listed.out, new RegExp(`^gw-1 +${newest} .* ${state} +-$`, "m"));
    assert.match(listed.out, new RegExp(`^gw-1 ${newest} is ${state}: Manifest `, "m"));
    const json = JSON.parse((await site.run("hv", "list", "--json")).out);
    assert.deepEqual(json.backups.map(({ state }: { state: string }) => state), [
      "readable",
      state,
    ]);
  }
  const { code, out } = await site.run("hv", "show", "gw-1", older);
  assert.equal(code, 0, out);
});
