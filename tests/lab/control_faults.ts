import assert from "node:assert/strict";
import { allHealthy, assertWell, check, deploy, repository } from "./control_site.ts";
import type { Timed } from "./control_life.ts";
import type { ControlVm } from "./control_vm.ts";

/** Something that breaks, made by hand. */
interface Fault {
  readonly what: string;
  readonly make: string;
  /** The check that names it, and what that says of it. */
  readonly check: string;
  readonly says: RegExp;
  /** What `vmb ctl fix` says that it did; `undefined` where a person must decide. */
  readonly mended?: RegExp;
  /** What the person does. */
  readonly byHand?: string;
}

const shortCertificate = "cd /root/site/tls && openssl req -x509 -key key.pem -out cert.pem " +
  "-days 10 -subj /CN=lab -addext subjectAltName=DNS:vmb.lab.example,IP:10.0.2.15,IP:127.0.0.1";

/** Rounds of faults: those of one round do not hide each other, and are there at the same time. */
const rounds: readonly (readonly Fault[])[] = [
  [
    {
      what: "container stopped",
      make: "systemctl stop vmb-web",
      check: "vmb-web",
      says: /^failed: the unit is inactive/,
      mended: /^done {2}Restart vmb-web: healthy again$/m,
    },
    {
      what: "certificate expiring",
      make: shortCertificate,
      check: "certificate",
      says: /^warning: .*expires in \d+ days/,
      byHand: `cd ${repository} && vmb ctl certs --regenerate`,
    },
    {
      what: "File Daemon down",
      make: "systemctl stop bacula-fd",
      check: "fd-hv1",
      says: /^failed: cannot reach port 9102 of 10\.0\.2\.15/,
      byHand: "systemctl start bacula-fd",
    },
    {
      what: "configuration edited",
      make: "echo '# edited' >>/etc/vm-backup/bacula/bacula-dir.conf",
      check: "drift",
      says: /^failed: .*bacula-dir\.conf/,
    },
    {
      what: "disk full",
      make: "fallocate -l $(( $(df --output=avail -B1 / | tail -n 1) - 120000000 )) /filler",
      check: "disk",
      says: /^failed: .*\([012]%\) free/,
      byHand: "rm /filler",
    },
  ],
  [{
    what: "daemon hung",
    make: "podman kill --signal STOP vmb-director",
    check: "director",
    says: /^failed: .*no answer/,
    mended: /^done {2}Restart vmb-director: healthy again$/m,
  }],
  [{
    what: "catalog down",
    make: "systemctl stop vmb-postgres",
    check: "catalog",
    says: /^failed: /,
    mended: /^done {2}Restart vmb-postgres: healthy again$/m,
  }],
  [{
    what: "share unmounted",
    make: "umount --lazy /mnt/backup",
    check: "share",
    says: /^failed: .*not mounted/,
    mended: /^done {2}Mount the share: mounted$/m,
  }],
];

/** Breaks each thing, and asserts that check names it, and that fix mends what it can and leaves the rest. */
export async function breakAndMend(
  vm: ControlVm,
  timed: Timed,
): Promise<void> {
  for (const faults of rounds) {
    await timed(faults.map(({ what }) => what).join(", "), () => breakRound(vm, faults));
  }
}

async function breakRound(vm: ControlVm, faults: readonly Fault[]): Promise<void> {
  for (const { make } of faults) await vm.sh(make);
  const found = await check(vm);
  assert.equal(found.code, 6);
  for (const { check, says } of faults) assert.match(found.outcome(check), says, check);

  const fix = await vm.attempt(`vmb ctl fix ${repository}`);
  for (const { check, mended } of faults) {
    if (mended !== undefined) assert.match(fix.stdout, mended, `${fix.stdout}\n${fix.stderr}`);
    else if (found.failed.includes(check)) {
      assert.match(fix.stdout, new RegExp(`^left {4}${check}: `, "m"), fix.stderr);
    }
  }
  const left = faults.filter(({ mended }) => mended === undefined);
  assert.equal(fix.code, left.length === 0 ? 0 : 6, `${fix.stdout}\n${fix.stderr}`);
  for (const { byHand } of left) if (byHand !== undefined) await vm.sh(byHand);
  if (left.length > 0) await deploy(vm);
  await allHealthy(vm);
  await assertWell(vm);
}
