import assert from "node:assert/strict";
import { runMain } from "../../commands/main.ts";
import { openMachine } from "../core/install/machine.ts";
import { fakeTerminal } from "./fake_terminal.ts";

type Machine = Awaited<ReturnType<typeof openMachine>>;

const unit = "/etc/systemd/system/vmb-recover.service";

/** @param typed what a person answers, one after the other; without it, nobody is there */
async function run({ system, root }: Machine, args: readonly string[], typed?: readonly string[]) {
  const terminal = fakeTerminal();
  const answers = [...typed ?? []];
  const code = await runMain(
    { ...system, host: { ...system.host, onStopSignal: () => () => {} } },
    {
      ...terminal,
      ask(question) {
        terminal.err(question);
        return typed === undefined ? undefined : answers.shift() ?? "";
      },
    },
    { version: "9.8.7", args: ["hv", "install", "--root", root, ...args] },
  );
  return { code, ...terminal.written };
}

Deno.test("vmb hv install installs, and then has nothing to do", async () => {
  await using machine = await openMachine();
  const dry = await run(machine, ["--dry-run"]);
  assert.equal(dry.code, 0);
  assert.match(dry.out, /^would create \/opt\/vm-backup\/bin\/vmb$/m);
  assert.deepEqual(await machine.listing(), []);
  const first = await run(machine, []);
  assert.deepEqual([first.code, first.out], [0, "15 changes\n"]);
  assert.match(first.err, /create \/usr\/local\/bin\/vmb -> \/opt\/vm-backup\/bin\/vmb/);
  assert.deepEqual(await run(machine, []), { code: 0, out: "no changes\n", err: "" });
  const { out } = await run(machine, ["--json"]);
  const { changes, commands, setAside } = JSON.parse(out);
  assert.deepEqual([changes, commands, setAside], [[], [], null]);
});

Deno.test("vmb hv install shows a difference and does what is answered", async () => {
  await using machine = await openMachine();
  await run(machine, []);
  await machine.write(unit, "mine\n");
  const nobody = await run(machine, []);
  assert.equal(nobody.code, 2);
  assert.match(nobody.err, /hint: .*--yes.*--keep-all/);
  assert.equal((await run(machine, ["--json"])).code, 2);

  const shown = await run(machine, [], ["what", "s", "r"]);
  assert.equal(shown.code, 0);
  assert.equal(shown.err.match(/^-mine$/gm)?.length, 2);
  assert.match(shown.out, /^1 change\nwhat was replaced: \/\S+\/replaced\//);

  await machine.write(unit, "mine\n");
  const kept = await run(machine, [], [""]);
  assert.match(kept.out, /^no changes\nkept: .*vmb-recover\.service/);
  assert.equal(await machine.read(unit), "mine\n");
});

Deno.test("vmb hv install --uninstall says what stays", async () => {
  await using machine = await openMachine();
  await run(machine, []);
  const { code, out } = await run(machine, ["--uninstall"]);
  assert.equal(code, 0);
  assert.match(out, /^stays: \S+\/opt\/vm-backup\/config \(the configuration\)$/m);
  assert.match(out, /^stays: the share, with all backups$/m);
});

Deno.test("vmb hv install with a wrong command line ends with 2", async () => {
  await using machine = await openMachine();
  for (
    const [args, words] of [
      [
        ["--timers", "verify,hourly"],
        /Cannot use "hourly" as a timer: expected verify, test-restore/,
      ],
      [["--yes", "--keep-all"], /cannot be used with/],
      [["--root", "relative"], /expected an absolute path/],
      [["--from", "/tmp", "--uninstall"], /cannot be used with/],
    ] as const
  ) {
    const { code, err } = await run(machine, args);
    assert.equal(code, 2, args.join(" "));
    assert.match(err, words);
  }
});
