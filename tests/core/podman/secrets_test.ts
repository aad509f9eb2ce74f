import assert from "node:assert/strict";
import type { VmbError } from "../../../core/error.ts";
import { renderBacularis } from "../../../core/podman/bacularis.ts";
import { applySecrets, podmanSecrets, secretChanges } from "../../../core/podman/secrets.ts";
import { sha512Crypt } from "../../../core/podman/sha512_crypt.ts";
import { passwordKeys, type SecretKey } from "../../../core/secrets/secret_key.ts";
import { generatePassword } from "../../../core/secrets/generate.ts";
import { type Argv, type Processes, systemProcesses } from "../../../core/sys/process.ts";
import { exampleSite } from "./example_site.ts";

const site = await exampleSite();
const tree = renderBacularis(site);
const certificate = { certificate: "CERTIFICATE\n", key: "KEY\n" };

Deno.test("podmanSecrets asks for every password, and takes a missing webhook as none", () => {
  const secrets = somePasswords();
  const made = podmanSecrets({ secrets, tree, certificate });
  const webhook = made.find(({ recipe }) => recipe.name === "vmb-slack-failure-webhook");
  assert.deepEqual(webhook?.values, new Map([["SLACK_FAILURE_WEBHOOK", ""]]));
  for (const key of passwordKeys) {
    const fewer = new Map([...secrets].filter(([each]) => each !== key));
    assert.throws(
      () => podmanSecrets({ secrets: fewer, tree, certificate }),
      (error: VmbError) => error.code === "secrets.missing" && error.message.includes(key),
    );
  }
});

Deno.test("podmanSecrets refuses a placeholder that an override brought in", () => {
  const content = "password=@@DIRECTOR_PASSWORD@@";
  const changed = new Map([...tree, ["web/hosts.conf", { content, mode: 0o644 }]]);
  assert.throws(() => podmanSecrets({ secrets: somePasswords(), tree: changed, certificate }), {
    code: "secrets.placeholder",
  });
});

Deno.test("applySecrets makes each secret once, with its content on stdin alone", async () => {
  const podman = fakePodman();
  const secrets = somePasswords();
  const wanted = podmanSecrets({ secrets, tree, certificate });

  const first = await secretChanges(podman, wanted);
  assert.ok(first.every(({ state }) => state === "new"));
  await applySecrets(podman, first);
  const again = await secretChanges(podman, wanted);
  assert.ok(again.every(({ state }) => state === "same"));
  await applySecrets(podman, again);
  assert.equal(podman.calls.filter((argv) => argv[2] === "create").length, wanted.length);

  const text = podman.calls.flat().join("\n");
  for (const value of [...secrets.values(), "CERTIFICATE", "KEY\n"]) {
    assert.ok(!text.includes(value));
  }
  assert.equal(
    podman.stored.get("vmb-db-password")?.content,
    secrets.get("DB_PASSWORD"),
  );
  assert.equal(
    podman.stored.get("vmb-catalog-password")?.content,
    `DB Password = "${secrets.get("DB_PASSWORD")}"\n`,
  );
  const api = podman.stored.get("vmb-api-conf")?.content ?? "";
  assert.ok(api.includes(`password = "${secrets.get("DB_PASSWORD")}"`));
  const users = podman.stored.get("vmb-web-users")?.content ?? "";
  assert.match(users, /^admin:\$6\$rounds=10000\$[^$]{16}\$[A-Za-z0-9./]{86}\n$/);
  for (const { content } of podman.stored.values()) assert.ok(!content.includes("@@"));
});

Deno.test("secretChanges finds the secrets that hold a changed password, and only those", async () => {
  const podman = fakePodman();
  const secrets = somePasswords();
  const before = podmanSecrets({ secrets, tree, certificate });
  await applySecrets(podman, await secretChanges(podman, before));
  const rotated = new Map(secrets).set("API_PASSWORD", generatePassword());
  const after = podmanSecrets({
    secrets: rotated,
    tree,
    certificate: { ...certificate, key: "OTHER KEY\n" },
  });
  const changed = (await secretChanges(podman, after)).filter(({ state }) => state !== "same");
  assert.deepEqual(
    changed.map(({ secret, state }) => [secret.recipe.name, state]),
    ["vmb-api-users", "vmb-api-login", "vmb-web-hosts", "vmb-tls-key"].map((name) => [
      name,
      "changed",
    ]),
  );
});

Deno.test("secretChanges takes a secret without our label as changed", async () => {
  const podman = fakePodman();
  podman.stored.set("vmb-tls-key", { content: "x", labels: undefined });
  podman.stored.set("somebody-elses", { content: "x", labels: undefined });
  const wanted = podmanSecrets({ secrets: somePasswords(), tree, certificate });
  const states = await secretChanges(podman, wanted);
  const key = states.find(({ secret }) => secret.recipe.name === "vmb-tls-key");
  assert.equal(key?.state, "changed");
});

Deno.test("applySecrets that failed halfway is completed by the next one", async () => {
  const podman = fakePodman();
  const wanted = podmanSecrets({ secrets: somePasswords(), tree, certificate });
  podman.failAt = 5;
  await assert.rejects(applySecrets(podman, await secretChanges(podman, wanted)), {
    code: "process.failed",
  });
  podman.failAt = undefined;
  const left = await secretChanges(podman, wanted);
  assert.deepEqual(left.filter(({ state }) => state === "same").length, 4);
  await applySecrets(podman, left);
  assert.ok((await secretChanges(podman, wanted)).every(({ state }) => state === "same"));
});

Deno.test("sha512Crypt gives what crypt(3) gives, with another salt each time", async () => {
  const password = generatePassword();
  const [first, second] = [
    await sha512Crypt(systemProcesses, password),
    await sha512Crypt(systemProcesses, password),
  ];
  assert.notEqual(first, second);
  for (const hash of [first, second]) {
    const salt = hash.slice(0, hash.lastIndexOf("$") + 1);
    const script = "print crypt($ARGV[0], $ARGV[1])";
    const { stdout } = await systemProcesses.run(["perl", "-e", script, password, salt]);
    assert.equal(stdout, hash);
  }
});

function somePasswords(): ReadonlyMap<SecretKey, string> {
  return new Map(passwordKeys.map((key) => [key, generatePassword()]));
}

interface FakePodman extends Pick<Processes, "run"> {
  readonly calls: Argv[];
  readonly stored: Map<string, { content: string; labels: Record<string, string> | undefined }>;
  /** Which of the calls that create a secret fails. */
  failAt: number | undefined;
}

/** Podman's store of secrets in memory; openssl is real. The end-to-end test has the real podman. */
function fakePodman(): FakePodman {
  const fake: FakePodman = {
    calls: [],
    stored: new Map(),
    failAt: undefined,
    run(argv, options = {}) {
      fake.calls.push(argv);
      const done = (code: number, stdout: string) =>
        Promise.resolve({ argv, code, stdout, stderr: "" });
      const [program, , verb, ...rest] = argv;
      if (program !== "podman") return systemProcesses.run(argv, options);
      if (verb === "ls") return done(0, `${[...fake.stored.keys()].join("\n")}\n`);
      if (verb === "inspect") {
        const shown = rest.map((Name) => ({
          Spec: { Name, Labels: fake.stored.get(Name)?.labels },
        }));
        return done(0, JSON.stringify(shown));
      }
      assert.deepEqual([verb, rest[0], rest[1], rest[4]], ["create", "--replace", "--label", "-"]);
      if (fake.failAt !== undefined && --fake.failAt === 0) return done(125, "");
      const [label = "", value = ""] = rest[2]?.split("=") ?? [];
      const { stdin = "" } = options;
      assert.ok(typeof stdin === "string" && stdin !== "", "podman takes no empty secret");
      fake.stored.set(rest[3] ?? "", { content: stdin, labels: { [label]: value } });
      return done(0, "id\n");
    },
  };
  return fake;
}
