import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const script = fileURLToPath(
  new URL("../../../templates/bacularis/keep-users.sh", import.meta.url),
);
const ours = `[admin]
long_name = "Administrator"
roles = "normal,admin"
enabled = "1"

[anna]
long_name = "Anna"
roles = "normal"
enabled = "1"
`;
const totp = 'mfa = "totp"\ntotp_secret = "JBSWY3DPEHPK3PXP"\n';
const fido = 'mfa = "fidou2f"\nfidou2f_credentials["ab/c+d=="] = "name=key&x=\\"1\\""\n';

/** What stands in the file afterwards, with what the page had saved. */
async function keep(saved: string | undefined) {
  await using folder = await temporaryFolder();
  const { path } = folder;
  await Deno.writeTextFile(`${path}/ours`, ours);
  await Deno.mkdir(`${path}/kept`);
  if (saved !== undefined) await Deno.writeTextFile(`${path}/kept/users.conf`, saved);
  const group = String(Deno.gid());
  const argv = ["sh", script, `${path}/ours`, `${path}/kept`, group] as const;
  const { code, stderr } = await systemProcesses.run(argv);
  assert.equal(code, 0, stderr);
  const names = await Array.fromAsync(Deno.readDir(`${path}/kept`), ({ name }) => name);
  assert.deepEqual(names, ["users.conf"]);
  const mode = (await Deno.stat(`${path}/kept/users.conf`)).mode ?? 0;
  assert.equal(mode & 0o777, 0o660);
  assert.equal((await Deno.stat(`${path}/kept`)).mode! & 0o777, 0o710);
  return await Deno.readTextFile(`${path}/kept/users.conf`);
}

/** Ours, with lines at the end of a user's section. */
function withLines(user: string, lines: string): string {
  return ours.replace(new RegExp(`(\\[${user}\\](?:\\n(?!\\[).*)*\\n?)`), `$1${lines}`);
}

Deno.test("keep-users.sh begins with the users of the repository", async () => {
  assert.equal(await keep(undefined), ours);
  assert.equal(await keep(""), ours);
});

Deno.test("keep-users.sh keeps of what the page saved the second factors alone", async () => {
  const cases: readonly (readonly [what: string, saved: string, user: string, kept: string])[] = [
    ["a code", withLines("admin", totp), "admin", totp],
    ["a key", withLines("anna", fido), "anna", fido],
    ["line ends of another system", withLines("anna", fido).replaceAll("\n", "\r\n"), "anna", fido],
    ["other values", withLines("admin", totp).replaceAll('"normal', '"admin'), "admin", totp],
    [
      "a user of its own",
      `${withLines("admin", totp)}[eve]\nroles = "admin"\n${totp}`,
      "admin",
      totp,
    ],
    ["another order", `[anna]\n${fido}\n[admin]\nenabled = "0"\n`, "anna", fido],
  ];
  for (const [what, saved, user, kept] of cases) {
    assert.equal(await keep(saved), withLines(user, kept), what);
  }
});

Deno.test("keep-users.sh puts nothing of a file that was cut or is hostile where it does not belong", async () => {
  for (
    const saved of [
      totp,
      "[admin",
      `[admin]x\n${totp}`,
      "\0".repeat(100),
      '[admin]\nmfax = "1"\nxmfa = "1"\nroles = "admin"\n; mfa = "totp"\n',
      `[admin"; system("touch /tmp/x")]\n${totp}`,
    ]
  ) assert.equal(await keep(saved), ours, JSON.stringify(saved));
});
