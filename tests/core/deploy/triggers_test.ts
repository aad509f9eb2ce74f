import assert from "node:assert/strict";
import { desiredState } from "../../../core/deploy/desired.ts";
import { controlPlaces } from "../../../core/deploy/places.ts";
import { planDeploy } from "../../../core/deploy/plan.ts";
import { readRecord } from "../../../core/deploy/record.ts";
import type { Argv, RunOptions } from "../../../core/sys/process.ts";
import { deployTo, sourcesOf, writeRepository } from "./deploy_site.ts";
import { openFakeMachine } from "./fake_machine.ts";

Deno.test("planDeploy starts and enables each trigger that is not both", async () => {
  await using fake = await openFakeMachine();
  await writeRepository(fake);
  await deployTo(fake);
  const { machine } = fake;
  const sources = await sourcesOf(fake);
  const places = controlPlaces(sources.site, machine.host);
  const record = await readRecord(machine.files, places.state);
  const planned = async (active: string, file: string) => {
    const run = async (argv: Argv, options?: RunOptions) => {
      const done = await machine.processes.run(argv, options);
      const stdout = done.stdout.replace(
        /(Id=vmb-check\.timer\n[^]*?ActiveState=)\w+(\n[^]*?UnitFileState=)\w+/,
        `$1${active}$2${file}`,
      );
      return { ...done, stdout };
    };
    const processes = { ...machine.processes, run };
    const desired = desiredState(sources, places);
    return (await planDeploy({ ...machine, processes }, desired, record, places)).triggers;
  };
  assert.deepEqual(await planned("active", "enabled"), []);
  // It would be silent after a reboot; or it is silent now.
  assert.deepEqual(await planned("active", "disabled"), ["vmb-check.timer"]);
  assert.deepEqual(await planned("inactive", "enabled"), ["vmb-check.timer"]);
  assert.deepEqual(await planned("inactive", "disabled"), ["vmb-check.timer"]);
});
