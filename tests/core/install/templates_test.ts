import assert from "node:assert/strict";
import { places } from "../../../core/install/places.ts";
import { timerNames } from "../../../core/install/timers.ts";
import { openMachine } from "./machine.ts";

Deno.test({
  name: "units of an installation are accepted by systemd-analyze verify",
  ignore: await missing("systemd-analyze"),
  async fn() {
    await using machine = await openMachine();
    await machine.install({ timers: timerNames });
    const units = `${machine.root}${places.units}`;
    const names = (await Array.fromAsync(Deno.readDir(units), ({ name }) => name))
      .filter((name) => name.startsWith("vmb-"));
    assert.equal(names.length, 6);
    for (const name of names) {
      // The program is looked for where the unit names it.
      const text = await Deno.readTextFile(`${units}/${name}`);
      await Deno.writeTextFile(
        `${units}/${name}`,
        text.replace("ExecStart=", `ExecStart=${machine.root}`),
      );
    }
    const { success, stdout, stderr } = await new Deno.Command("systemd-analyze", {
      args: ["verify", "--man=no", ...names.map((name) => `${units}/${name}`)],
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    const ours = text.split("\n").filter((line) => line.includes("vmb-"));
    assert.deepEqual([success, ours], [true, []], text);
  },
});

Deno.test({
  name: "log rotation of an installation compresses old logs only, and removes older ones",
  ignore: await missing("logrotate") || Deno.uid() !== 0,
  async fn() {
    await using machine = await openMachine();
    await machine.install();
    const logs = `${machine.root}${places.logs}`;
    const config = `${machine.root}/rotate.conf`;
    const text = await machine.read(places.logrotate);
    await Deno.writeTextFile(config, text.replaceAll(places.logs, logs));
    const days = async (name: string, age: number) => {
      await machine.write(`${places.logs}/vm/${name}`, "text\n");
      const then = Date.now() / 1000 - age * 86400;
      await Deno.utime(`${logs}/vm/${name}`, then, then);
    };
    await days("recent.log", 3);
    await days("old.log", 40);
    await days("ancient.log.1.gz", 400);
    const state = `${machine.root}/state`;
    const lines = ["recent.log", "old.log"].map((name) => `"${logs}/vm/${name}" 2020-1-1-0:0:0\n`);
    await Deno.writeTextFile(state, `logrotate state -- version 2\n${lines.join("")}`);
    const { success, stderr } = await new Deno.Command("logrotate", {
      args: ["--state", state, config],
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const names = await Array.fromAsync(Deno.readDir(`${logs}/vm`), ({ name }) => name);
    assert.deepEqual(names.sort(), ["old.log.1.gz", "recent.log"]);
  },
});

async function missing(program: string): Promise<boolean> {
  return await new Deno.Command(program, { args: ["--version"] }).output()
    .then(() => false, () => true);
}
