import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { allHealthy, assertWell, check, deploy, jobsOf, repository } from "./control_site.ts";
import type { Timed } from "./control_life.ts";
import type { ControlVm } from "./control_vm.ts";
import { waitFor } from "./wait.ts";

const host = "vmb.lab.example";

/** What the administrators' page and its API do: logins, a job, the second factor, what they are kept from. */
export async function usePages(vm: ControlVm, timed: Timed): Promise<void> {
  const script = fileURLToPath(new URL("control/login.sh", import.meta.url));
  await vm.write("/root/login.sh", await Deno.readTextFile(script));
  await timed("logins", () => logins(vm));
  await timed("headers, networks, sessions, logs", () => guarded(vm));
  await timed("job by the API", () => jobByApi(vm));
  await timed("second factor, kept by a restart and a deploy", () => secondFactor(vm));
  await timed("too many logins", () => tooMany(vm));
}

async function login(vm: ControlVm, password: "ours" | "admin"): Promise<string> {
  const value = password === "admin"
    ? "admin"
    : `$(sed -n 's/^BACULARIS_ADMIN_PASSWORD=//p' ${repository}/secrets.conf)`;
  return await vm.sh(`sh /root/login.sh ${host} admin "${value}"`);
}

/** The page takes six logins of an address at once, and one more every ten seconds. */
async function untilNotLimited(vm: ControlVm): Promise<void> {
  await waitFor(
    async () => !(await login(vm, "admin")).includes("429") || undefined,
    { what: "a login that is not refused for too many", deadlineMs: 120_000, everyMs: 11_000 },
  );
}

async function logins(vm: ControlVm): Promise<void> {
  await untilNotLimited(vm);
  assert.match(await login(vm, "ours"), /^302 \S*Dashboard/m);
  const refused = await login(vm, "admin");
  assert.match(refused, /^200/m);
  assert.match(refused, /Invalid username or password/);
  assert.match(await askApi(vm, "/api/v2/welcome", "admin:admin"), /^HTTP\/1\.1 401/);
  assert.match(await askApi(vm, "/api/v2/jobs"), /"error":0/);
}

/** From the web page's container, as that asks it. */
async function askApi(vm: ControlVm, path: string, login?: string, body = ""): Promise<string> {
  const given = login === undefined
    ? `vmb:$(sed -n 's/^API_PASSWORD=//p' ${repository}/secrets.conf)`
    : login;
  const head = [
    `${body === "" ? "GET" : "POST"} ${path} HTTP/1.0`,
    "Host: vmb-api",
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
  ].join("\\r\\n");
  return await vm.sh(
    `login=$(printf %s "${given}" | base64 -w 0); ` +
      `printf '${head}\\r\\nAuthorization: Basic %s\\r\\n\\r\\n%s' "$login" '${body}' | ` +
      "podman exec -i vmb-web openssl s_client -quiet -connect vmb-api:9097 2>/dev/null",
  );
}

async function guarded(vm: ControlVm): Promise<void> {
  const head = await vm.sh(`curl -sI --cacert ${repository}/tls/cert.pem https://${host}:9097/`);
  for (
    const header of [
      /^strict-transport-security: max-age=31536000/im,
      /^x-frame-options: SAMEORIGIN/im,
      /^x-content-type-options: nosniff/im,
      /^referrer-policy: same-origin/im,
      /^set-cookie: PHPSESSID=.*secure; HttpOnly; SameSite=Lax/im,
    ]
  ) assert.match(head, header);
  const old = await vm.attempt(
    `curl -sk --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 https://${host}:9097/`,
  );
  assert.notEqual(old.code, 0, "TLS 1.1 is not spoken");

  const reaches = async (from: string, to: string) => {
    const line = `exec 3<>/dev/tcp/${to}`;
    return (await vm.attempt(`podman exec ${from} timeout 5 bash -c '${line}'`)).code === 0;
  };
  assert.equal(await reaches("vmb-web", "vmb-api/9097"), true);
  assert.equal(await reaches("vmb-api", "vmb-postgres/5432"), true);
  assert.equal(await reaches("vmb-web", "vmb-postgres/5432"), false);
  assert.equal(await reaches("vmb-web", "vmb-director/9101"), false);
  assert.equal(await reaches("vmb-storage", "vmb-postgres/5432"), false);
  assert.notEqual((await vm.attempt("podman exec vmb-web touch /etc/x")).code, 0);

  const sessions = () => vm.sh("podman exec vmb-web sh -c 'ls /tmp/sessions | wc -l'");
  const before = await sessions();
  for (let times = 0; times < 3; times++) await vm.sh("podman healthcheck run vmb-web");
  assert.equal(await sessions(), before, "a health check leaves no session");
  await vm.sh("journalctl -u vmb-web --no-pager | grep -q 'GET / HTTP'");
  await vm.sh("journalctl -u vmb-api --no-pager | grep -q 'fpm is running'");
}

async function jobByApi(vm: ControlVm): Promise<void> {
  const last = (await jobsOf(vm)).at(-1)?.id ?? 0;
  const answer = await askApi(
    vm,
    "/api/v2/jobs/run",
    undefined,
    JSON.stringify({ name: "vm-lab1", level: "F" }),
  );
  assert.match(answer, /"error":0/);
  const result = await waitFor(async () => {
    const job = (await jobsOf(vm)).find(({ id, job }) => id > last && job === "vm-lab1");
    return job === undefined || job.result === "active" ? undefined : job.result;
  }, { what: "the end of the job", deadlineMs: 600_000, everyMs: 3000 });
  assert.equal(result, "ok");
}

async function secondFactor(vm: ControlVm): Promise<void> {
  await untilNotLimited(vm);
  assert.match(await login(vm, "ours"), /^302/m);
  await vm.sh(
    `curl -sf --cacert ${repository}/tls/cert.pem --cookie /root/cookies ` +
      `--data secret=JBSWY3DPEHPK3PXP https://${host}:9097/web/account/`,
  );
  const asked = async () => {
    await untilNotLimited(vm);
    const answer = await login(vm, "ours");
    assert.match(answer, /^200/m);
    assert.match(answer, /login_2fa_modal" style="display: block"/);
  };
  await asked();
  await vm.sh("systemctl restart vmb-web");
  await allHealthy(vm);
  await asked();
  await deploy(vm, "--redeploy");
  await allHealthy(vm);
  await asked();
  await assertWell(vm);
  assert.match((await check(vm)).outcome("web-login"), /^(ok|warning)/);
  const file = "/var/lib/vmb-users/users.conf";
  const mode = await vm.sh(`podman exec vmb-web stat -c %a:%U:%G ${file}`);
  assert.equal(mode.trim(), "660:root:www-data");
  const secret = await vm.attempt(`grep -r JBSWY3DPEHPK3PXP ${repository} /etc/vm-backup`);
  assert.equal(secret.stdout, "");
  // As docs/07 says it, for who lost the phone.
  await vm.sh(
    "systemctl stop vmb-web && podman volume rm vmb-web-users && systemctl start vmb-web",
  );
  await allHealthy(vm);
  await untilNotLimited(vm);
  assert.match(await login(vm, "ours"), /^302/m);
}

async function tooMany(vm: ControlVm): Promise<void> {
  const answers: string[] = [];
  for (let times = 0; times < 9; times++) answers.push(await login(vm, "admin"));
  assert.ok(answers.some((answer) => /^429/m.test(answer)), "further logins are refused");
  await untilNotLimited(vm);
}
