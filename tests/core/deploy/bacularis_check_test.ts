import assert from "node:assert/strict";
import { apiWorks, webAnswers, webLogin } from "../../../core/deploy/bacularis_check.ts";
import type { Secrets } from "../../../core/secrets/secret_key.ts";
import { systemFiles } from "../../../core/sys/files.ts";
import type { Argv, Completed, RunOptions } from "../../../core/sys/process.ts";
import { bacularisAnswer, type FakeBacularis } from "./fake_bacularis.ts";

const secrets: Secrets = new Map([
  ["API_PASSWORD", "apiapiapiapiapiapi"],
  ["BACULARIS_ADMIN_PASSWORD", "pagepagepagepagepage"],
]);
const well = { apiPassword: "apiapiapiapiapiapi", adminPassword: "pagepagepagepagepage" };
const sources = {
  site: {
    control: { host: "vmb.lab.example", addresses: [] },
    ports: { director: 9101, storage: 9103, web: 9097 },
  },
  secrets,
  certificate: "/srv/site/tls/cert.pem",
};

const certificateInfo = await systemFiles.inspectTarget("/");

function machine(fake: FakeBacularis, calls: { argv: Argv; stdin: string }[] = []) {
  return {
    processes: {
      run: (argv: Argv, { stdin = "" }: RunOptions = {}): Promise<Completed> => {
        calls.push({ argv, stdin: String(stdin) });
        const stderr = "verify error:num=62:hostname mismatch\n";
        return Promise.resolve({
          argv,
          code: 0,
          stdout: bacularisAnswer(String(stdin), fake),
          stderr,
        });
      },
    },
    files: {
      inspectTarget: (path: string) =>
        Promise.resolve(path === sources.certificate ? certificateInfo : undefined),
    },
  };
}

/** What is wrong with Bacularis, and what each check says: `undefined` where it is well for it. */
const cases: readonly (readonly [
  what: string,
  fake: Partial<FakeBacularis>,
  api: RegExp | undefined,
  page: RegExp | undefined,
  login: RegExp | undefined,
])[] = [
  ["nothing", {}, undefined, undefined, undefined],
  [
    "its folders cannot be written",
    { readOnly: true },
    /cannot work: .*API\/Config/,
    /cannot work: .*API\/Config/,
    /cannot work: .*API\/Config/,
  ],
  [
    "another password of the API",
    { apiPassword: "other" },
    /refuses the password/,
    undefined,
    undefined,
  ],
  ["no catalog", { apiError: 1000 }, /error 1000: "no catalog"/, undefined, undefined],
  [
    "another password of the page",
    { adminPassword: "x" },
    undefined,
    undefined,
    /refuses the password/,
  ],
  [
    "PHP is down",
    { always: "HTTP/1.1 502 Bad Gateway\r\n\r\n" },
    /answers 502/,
    /answers 502/,
    /answers 502/,
  ],
  [
    "the first start of nginx",
    { always: "HTTP/1.1 200 OK\r\n\r\n<h1>Welcome to nginx!</h1>" },
    /answers 200, and not as Bacularis/,
    /answers 200, and not as Bacularis/,
    /answers 200, and not as Bacularis/,
  ],
  [
    "a redirection to another machine's page",
    { always: "HTTP/1.1 302 Found\r\nLocation: https://other.example/\r\n\r\n" },
    /answers 302/,
    /answers 302/,
    /answers 302/,
  ],
  [
    "no answer",
    { always: "" },
    /no answer over HTTPS: verify error:num=62/,
    /no answer over HTTPS: verify error:num=62/,
    /no answer over HTTPS: verify error:num=62/,
  ],
];

for (const [what, fake, ...expected] of cases) {
  Deno.test(`Bacularis is checked where what is wrong is: ${what}`, async () => {
    const there = machine({ ...well, ...fake });
    const verdicts = [
      await apiWorks(there, sources),
      await webAnswers(there, sources),
      await webLogin(there, sources),
    ];
    for (const [index, { outcome, detail }] of verdicts.entries()) {
      const says = expected[index];
      if (says === undefined) assert.equal(outcome, "ok", detail);
      else {
        assert.equal(outcome, "failed", detail);
        assert.match(detail, says);
      }
    }
  });
}

Deno.test("webLogin takes a page that asks for the second factor, and waits where too many were tried", async () => {
  const asks = await webLogin(machine({ ...well, secondFactor: true }), sources);
  assert.deepEqual([asks.outcome, /second factor/.test(asks.detail)], ["ok", true]);
  assert.equal((await webLogin(machine({ ...well, limited: true }), sources)).outcome, "warning");
});

Deno.test("apiWorks and webLogin find the users that the images come with", async () => {
  const open = { ...well, always: 'HTTP/1.1 200 OK\r\n\r\n{"output":[],"error":0}' };
  assert.match((await apiWorks(machine(open), sources, { defaults: true })).detail, /image comes/);
  const calls: { argv: Argv; stdin: string }[] = [];
  const both = machine({ ...well }, calls);
  const run = both.processes.run;
  // It takes our password, and that of the image.
  both.processes.run = (argv, options) =>
    run(argv, {
      ...options,
      stdin: String(options?.stdin).replace("Password=admin", `Password=${well.adminPassword}`),
    });
  assert.match((await webLogin(both, sources, { defaults: true })).detail, /image comes with/);
  assert.equal((await webLogin(machine(well), sources, { defaults: true })).outcome, "ok");
  assert.equal((await apiWorks(machine(well), sources, { defaults: true })).outcome, "ok");
});

Deno.test("no password of Bacularis is in an argument, and the page is asked as a browser would", async () => {
  const calls: { argv: Argv; stdin: string }[] = [];
  const there = machine(well, calls);
  await apiWorks(there, sources);
  await webLogin(there, sources);
  assert.ok(calls.length >= 5);
  for (const { argv } of calls) {
    const words = argv.join(" ");
    assert.doesNotMatch(words, /apiapi|pagepage|YXBp/);
    if (argv[0] === "openssl") {
      assert.match(words, /-CAfile \S+cert\.pem .*-verify_return_error -verify_hostname vmb\.lab/);
    } else assert.match(words, /^podman exec --interactive vmb-web openssl/);
  }
});

Deno.test("webAnswers says what to do where there is no certificate", async () => {
  const { outcome, hint } = await webAnswers(machine(well), { ...sources, certificate: "/none" });
  assert.deepEqual([outcome, hint], ["failed", "Run: vmb ctl certs"]);
});
