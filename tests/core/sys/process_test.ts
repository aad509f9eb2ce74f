import assert from "node:assert/strict";
import { VmbError } from "../../../core/error.ts";
import { commandFailed, runOk, showArgv, systemProcesses } from "../../../core/sys/process.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const { run, start, follow } = systemProcesses;

Deno.test("run returns status, stdout and stderr of a program", async () => {
  const argv = ["sh", "-c", 'printf "%s" "$LC_ALL $EXTRA"; echo oops >&2; exit 7'] as const;
  assert.deepEqual(await run(argv, { env: { EXTRA: "x y" } }), {
    argv,
    code: 7,
    stdout: "C x y",
    stderr: "oops\n",
  });
  assert.equal((await run(["sh", "-c", "kill -TERM $$"])).code, 143);
});

Deno.test("run takes output and input of many megabytes", async () => {
  const { stdout } = await run(["cat"], { stdin: "0123456789abcde\n".repeat(400_000) });
  assert.equal(stdout.length, 6_400_000);
  const both = await run(["sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"]);
  assert.deepEqual([both.stdout.length, both.stderr.length], [3_000_000, 3_000_000]);
});

Deno.test("run does not mind a program that leaves its input unread", async () => {
  const stdin = "x".repeat(2_000_000);
  assert.equal((await run(["true"], { stdin })).code, 0);
});

Deno.test("run ends a program that takes too long, even one that reads no input", async () => {
  for (const stdin of [undefined, "x".repeat(2_000_000)]) {
    const since = performance.now();
    await assert.rejects(
      run(["sleep", "30"], { timeoutMs: 100, ...(stdin === undefined ? {} : { stdin }) }),
      { code: "process.timeout", message: "No end of 'sleep 30' within 0.1 s" },
    );
    assert.ok(performance.now() - since < 5000);
  }
});

Deno.test("run kills a program at its time-out, and one that ignores SIGTERM too", async () => {
  await using folder = await temporaryFolder();
  const pidFile = `${folder.path}/pid`;
  const script = `trap "" TERM; echo $$ > ${pidFile}; while :; do sleep 0.05; done`;
  await assert.rejects(run(["sh", "-c", script], { timeoutMs: 300 }), { code: "process.timeout" });
  const pid = (await Deno.readTextFile(pidFile)).trim();
  // It dies within the two seconds that a program gets to end by itself.
  await gone(pid);
});

Deno.test("run asks a program to stop, which is out of reach of our terminal, and waits for its end", async () => {
  const stop = new AbortController();
  const ended = await run(["sh", "-c", "ps -o sid= $$; echo >&2; read line; echo $line; exit 3"], {
    askToStop: { line: "stop\n", patienceMs: 60_000 },
    signal: stop.signal,
    onStderr: () => stop.abort(),
  });
  const [session = "", line] = ended.stdout.trim().split("\n");
  const ours = await run(["ps", "-o", "sid=", String(Deno.pid)]);
  assert.notEqual(session, ours.stdout.trim());
  assert.deepEqual([ended.code, line], [3, "stop"]);
  const unasked = await run(["sh", "-c", "exit 4"], { askToStop: { line: "", patienceMs: 1 } });
  assert.equal(unasked.code, 4);
});

Deno.test("run gives up on a program that does not stop when it is asked to", async () => {
  const stop = new AbortController();
  const running = run(["sleep", "30"], {
    askToStop: { line: "stop\n", patienceMs: 50 },
    signal: stop.signal,
  });
  stop.abort();
  await assert.rejects(running, {
    code: "process.not-stopped",
    message: "No end of 'sleep 30' within 0.05 s",
  });
});

Deno.test("run rejects with the signal's reason, before and during", async () => {
  const reason = new Error("stop");
  await assert.rejects(run(["true"], { signal: AbortSignal.abort(reason) }), reason);
  const stop = new AbortController();
  const running = run(["sleep", "30"], { signal: stop.signal });
  stop.abort(reason);
  await assert.rejects(running, reason);
});

Deno.test("run of a program that is missing, or is none, is exit code 5", async () => {
  await assert.rejects(run(["vmb-no-such-program", "x"]), (error) => {
    assert.ok(error instanceof VmbError);
    assert.deepEqual([error.code, error.exit], ["process.missing", 5]);
    assert.match(error.hint ?? "", /"vmb-no-such-program"/);
    return true;
  });
  await using folder = await temporaryFolder();
  const path = `${folder.path}/plain-file`;
  await Deno.writeTextFile(path, "no program");
  await assert.rejects(run([path]), { code: "process.missing", exit: 5 });
});

Deno.test("runOk shows argv, status and the last lines of what a program said", async () => {
  await assert.rejects(
    runOk(systemProcesses, ["sh", "-c", "seq 9 >&2; exit 3"]),
    {
      code: "process.failed",
      message: "Command failed with status 3: sh -c 'seq 9 >&2; exit 3': 5 | 6 | 7 | 8 | 9",
    },
  );
  await assert.rejects(runOk(systemProcesses, ["sh", "-c", "echo out; exit 1"]), {
    message: /: out$/,
  });
  assert.equal((await runOk(systemProcesses, ["echo", "x"])).stdout, "x\n");
  assert.equal(
    commandFailed({ argv: ["x"], code: 1, stdout: "", stderr: "" }).message,
    "Command failed with status 1: x",
  );
});

Deno.test("showArgv is what a shell reads as the same words", async () => {
  const words = ["a b", "it's", '"q"', "$HOME", "", "*", "\\", "ü", "a\nb", "-x", "~", "#"];
  const { stdout } = await run(["sh", "-c", `printf '%s\\0' ${showArgv(words)}`]);
  assert.deepEqual(stdout.split("\0").slice(0, -1), words);
  assert.equal(
    showArgv(["virsh", "--connect=qemu:///system", "a@b"]),
    "virsh --connect=qemu:///system a@b",
  );
});

Deno.test("start gives a program a session of its own, and a log that others may add to", async () => {
  await using folder = await temporaryFolder();
  const log = `${folder.path}/log`;
  await Deno.writeTextFile(log, "before\n");
  const daemon = await start([
    "sh",
    "-c",
    "cut -d' ' -f1,6 /proc/$$/stat; echo $LC_ALL >&2; exit 4",
  ], log);
  assert.equal(await daemon.exited, 4);
  assert.equal(await Deno.readTextFile(log), `before\n${daemon.pid} ${daemon.pid}\nC\n`);
});

Deno.test("start leaves a program running that its starter dies before", async () => {
  await using folder = await temporaryFolder();
  const log = `${folder.path}/log`;
  const module = new URL("../../../core/sys/process.ts", import.meta.url);
  const starter = `
    const { systemProcesses } = await import(${JSON.stringify(module.href)});
    const { pid } = await systemProcesses.start(["sh", "-c", "read x < ${folder.path}/go; echo $x"], ${
    JSON.stringify(log)
  });
    console.log(pid);
    Deno.kill(Deno.pid, "SIGKILL");`;
  await runOk(systemProcesses, ["mkfifo", `${folder.path}/go`]);
  const { code, stdout } = await run([Deno.execPath(), "eval", starter]);
  assert.equal(code, 137);
  // Its reader is alive, or this would wait for ever.
  await runOk(systemProcesses, ["sh", "-c", `echo lives > ${folder.path}/go`]);
  await gone(stdout.trim());
  assert.equal(await Deno.readTextFile(log), "lives\n");
});

Deno.test("start tells how a program ended, and of one that is missing", async () => {
  await using folder = await temporaryFolder();
  const log = `${folder.path}/log`;
  for (const [signal, code] of [["SIGTERM", 143], ["SIGKILL", 137]] as const) {
    const daemon = await start(["sleep", "30"], log);
    daemon.kill(signal);
    assert.equal(await daemon.exited, code);
    daemon.kill(signal);
  }
  await assert.rejects(start(["vmb-no-such-program"], log), { code: "process.missing", exit: 5 });
});

Deno.test("follow hands over whole lines, and stops when it is told", async () => {
  const lines: string[] = [];
  const ended = follow(
    ["sh", "-c", "printf 'a\\nb'; sleep 0.05; printf 'c\\nü\\nrest'; exit 3"],
    (line) => {
      lines.push(line);
    },
  );
  assert.equal(await ended.exited, 3);
  assert.deepEqual(lines.slice(0, 3), ["a", "bc", "ü"]);

  const first = Promise.withResolvers<void>();
  const endless = follow(
    ["sh", "-c", "while echo tick; do sleep 0.02; done"],
    () => first.resolve(),
  );
  await first.promise;
  await endless.stop();
  assert.equal(await endless.exited, 143);
});

/** Waits until there is no process with this id. */
async function gone(pid: string): Promise<void> {
  await runOk(systemProcesses, [
    "timeout",
    "10",
    "tail",
    "-s",
    "0.02",
    `--pid=${pid}`,
    "-f",
    "/dev/null",
  ]);
}

Deno.test("run hands over bytes as they are", async () => {
  const stdin = new Uint8Array(300_000).map((_, index) => index * 7);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", stdin)).toHex();
  const { stdout } = await systemProcesses.run(["sha256sum"], { stdin });
  assert.ok(stdout.startsWith(digest), stdout);
});

Deno.test("run hands over stderr as it comes, and keeps it for the result", async () => {
  const told: string[] = [];
  const first = Promise.withResolvers<void>();
  const running = systemProcesses.run(["sh", "-c", "echo one >&2; read -r line; echo two >&2"], {
    stdin: "go\n",
    onStderr(text) {
      told.push(text);
      first.resolve();
    },
  });
  await first.promise;
  const { stderr } = await running;
  assert.equal(stderr, "one\ntwo\n");
  assert.equal(told.join(""), stderr);
});
