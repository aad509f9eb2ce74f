import assert from "node:assert/strict";
import { parseSite } from "../../../core/config/site.ts";
import { problemsOfTexts, smallSite } from "./repository_folder.ts";

Deno.test("parseSite fills in what a small site.yaml leaves out", async () => {
  const { site, problems } = await parseSite(smallSite, "site.yaml");
  assert.deepEqual(problems, []);
  assert.deepEqual(site, {
    name: "lab",
    control: { host: "vmb.lab.example", addresses: [] },
    rootless: false,
    timeZone: "Europe/Berlin",
    cycle: { weekday: "sat", hour: 12, minute: 0, maxRunHours: 24 },
    concurrency: 1,
    nfs: {
      export: "nas.lab.example:/export/backup",
      mount: "/mnt/backup",
      options: ["rw", "hard", "nfsvers=4.2"],
    },
    hypervisors: [
      {
        name: "hv1",
        address: "hv1.lab.example",
        fdPort: 9102,
        ssh: { user: "root", port: 22 },
        unpackDir: undefined,
      },
      {
        name: "hv2",
        address: "192.0.2.12",
        fdPort: 9102,
        ssh: { user: "root", port: 22 },
        unpackDir: undefined,
      },
    ],
    images: {
      postgres: "docker.io/library/postgres:17.6",
      director: "docker.io/bacularis/bacularis-api-dir:6.4.0-trixie",
      storage: "docker.io/bacularis/bacularis-api-sd:6.4.0-trixie",
      api: "docker.io/bacularis/bacularis-api-dir:6.4.0-trixie",
      web: "docker.io/bacularis/bacularis-web:6.4.0-trixie",
    },
    ports: { director: 9101, storage: 9103, web: 9097 },
    mail: undefined,
    slackChannel: undefined,
    volumes: { sizeGb: 50, retentionDays: { metadata: 365, catalog: 90 } },
  });
});

Deno.test("parseSite reads every key of site.yaml", async () => {
  const digest = `localhost:5000/vmb/x:1@sha256:${"0".repeat(64)}`;
  const { site, problems } = await parseSite(
    `
name: "Lab \\"A\\" $x 100% ü"
control: { host: 192.0.2.1, addresses: [vmb, 192.0.2.10, "::1"] }
rootless: true
time_zone: Europe/Kiev
cycle: { start: "sun 3:05", max_run_hours: 160 }
concurrency: 3
nfs: { export: "[2001:db8::2]:/", mount: /mnt/b/, options: [] }
hypervisors:
  - { name: "hv \\"1\\" %", address: hv1, fd_port: 19102, ssh: { user: backup, port: 2222 },
      unpack_dir: /srv/unpack }
images: { postgres: "quay.io/a/b:1@sha256:${
      "f".repeat(64)
    }", director: "${digest}", storage: "localhost/x:y",
  api: "r.example.org:443/a/b-c_d.e:V1", web: "docker.io/bacularis/bacularis-web:6.4.0-trixie" }
ports: { director: 1, storage: 65535, web: 443 }
mail: { relay: "mail:2525", from: a.b+c@lab.example, recipients: [x@y] }
slack_channel: "#backups-ü"
volumes: { size_gb: 5, retention_days: { metadata: 30, catalog: 7 } }
`,
    "site.yaml",
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    [site?.cycle, site?.control, site?.nfs, site?.ports, site?.mail],
    [
      { weekday: "sun", hour: 3, minute: 5, maxRunHours: 160 },
      { host: "192.0.2.1", addresses: ["vmb", "192.0.2.10", "::1"] },
      { export: "[2001:db8::2]:/", mount: "/mnt/b", options: [] },
      { director: 1, storage: 65535, web: 443 },
      { relay: "mail:2525", from: "a.b+c@lab.example", recipients: ["x@y"] },
    ],
  );
  assert.deepEqual(site?.hypervisors, [{
    name: 'hv "1" %',
    address: "hv1",
    fdPort: 19102,
    ssh: { user: "backup", port: 2222 },
    unpackDir: "/srv/unpack",
  }]);
  assert.deepEqual([site?.slackChannel, site?.images.director, site?.timeZone], [
    "#backups-ü",
    digest,
    "Europe/Kiev",
  ]);
});

/** The small site with one line instead of another. */
function changed(from: string, to: string): string {
  assert.ok(smallSite.includes(from), from);
  return smallSite.replace(from, () => to);
}

const start = "Saturday 12:00";
const zone = "Europe/Berlin";
const postgres = "docker.io/library/postgres:17.6";
const wantedStart = "expected a weekday and a time, as Saturday 12:00";
const wantedImage = "expected the full name of an image with a tag";
const wantedAddress = "expected a host name or an IP address";
const siteKeys =
  "name, control, rootless, time_zone, cycle, concurrency, nfs, hypervisors, images, " +
  "ports, mail, slack_channel, volumes";

Deno.test("loadInventory names each problem of site.yaml with its place", async () => {
  const table: readonly (readonly [string, ...string[]])[] = [
    ["", ...emptyProblems()],
    [
      "- a",
      `1:1: Cannot use a list as the whole file: expected a mapping | Known keys: ${siteKeys}`,
    ],
    [`${smallSite}color: 1\n`, `15:1: Unknown key "color" | Known keys: ${siteKeys}`],
    [`${smallSite}port: 1\n`, '15:1: Unknown key "port" | Did you mean "ports"?'],
    [
      changed("host:", "hosst:"),
      '2:10: Missing key "host"',
      '2:12: Unknown key "hosst" | Did you mean "host"?',
    ],
    [
      changed("name: lab", "name: 7"),
      "1:7: Cannot use number 7 as name: expected text | Put it in quotes",
    ],
    [changed("name: lab", "name: ../x"), '1:7: Cannot use "../x" as name: it starts with "."'],
    [
      changed(start, "Saturdai 12:00"),
      `4:17: Cannot use "Saturdai 12:00" as start: ${wantedStart} | Did you mean "Saturday 12:00"?`,
    ],
    [
      changed(start, "0 12 * * 6"),
      `4:17: Cannot use "0 12 * * 6" as start: ${wantedStart} | ` +
      "The time has 24 hours; all VMs begin with the cycle, week by week",
    ],
    [
      changed(start, "daily at 12:00"),
      `4:17: Cannot use "daily at 12:00" as start: ${wantedStart} | ` +
      "The time has 24 hours; all VMs begin with the cycle, week by week",
    ],
    [
      changed(start, "sometime 12:00"),
      `4:17: Cannot use "sometime 12:00" as start: ${wantedStart} | ` +
      "Weekdays: Sunday, Monday, Tuesday, Wednesday, Thursday, Friday, Saturday",
    ],
    [
      changed(start, "Saturday 24:00"),
      `4:17: Cannot use "Saturday 24:00" as start: ${wantedStart} | The time is from 00:00 to 23:59`,
    ],
    [
      changed(`start: ${start}`, `start: ${start}, max_run_hours: 161`),
      "4:48: Cannot use number 161 as max_run_hours: expected a whole number from 1 to 160",
    ],
    [
      changed(zone, "Europe/Berln"),
      '3:12: Cannot use "Europe/Berln" as time_zone: expected a time zone, as Europe/Berlin | ' +
      'Did you mean "Europe/Berlin"?',
    ],
    [
      changed(zone, "europe/berlin"),
      '3:12: Cannot use "europe/berlin" as time_zone: expected a time zone, as Europe/Berlin | ' +
      'Did you mean "Europe/Berlin"?',
    ],
    [
      changed(zone, '"+01:00"'),
      '3:12: Cannot use "+01:00" as time_zone: expected a time zone, as Europe/Berlin | ' +
      "List them with: timedatectl list-timezones",
    ],
    [
      changed(postgres, "docker.io/library/postgres"),
      `10:13: Cannot use "docker.io/library/postgres" as postgres: ${wantedImage} | ` +
      `Add the version, as in ${postgres}`,
    ],
    [
      changed(postgres, "docker.io/library/postgres:latest"),
      `10:13: Cannot use "docker.io/library/postgres:latest" as postgres: ${wantedImage} | ` +
      `"latest" is another image tomorrow: name the version, as in ${postgres}`,
    ],
    [
      changed(postgres, "postgres:17"),
      `10:13: Cannot use "postgres:17" as postgres: ${wantedImage} | ` +
      `Begin with the registry and use small letters: ${postgres}`,
    ],
    [
      changed(postgres, "localhost/x@sha256:1234"),
      `10:13: Cannot use "localhost/x@sha256:1234" as postgres: ${wantedImage} | ` +
      "A digest is sha256: and 64 hexadecimal digits",
    ],
    [
      changed(postgres, `localhost:5000/x@sha256:${"0".repeat(64)}`),
      `10:13: Cannot use "localhost:5000/x@sha256:${"0".repeat(36)}…" as postgres: ` +
      `${wantedImage} | The digest does not tell the version: write name:tag@sha256:...`,
    ],
    [
      changed(postgres, `docker.io/library/postgres:latest@sha256:${"0".repeat(64)}`),
      `10:13: Cannot use "docker.io/library/postgres:latest@sha256:${"0".repeat(19)}…" as ` +
      `postgres: ${wantedImage} | "latest" is another image tomorrow: name the version, as in ${postgres}`,
    ],
    [
      changed("vmb.lab.example", "vmb_lab"),
      `2:18: Cannot use "vmb_lab" as host: ${wantedAddress}`,
    ],
    [
      changed("192.0.2.12", "192.0.2.300"),
      `8:27: Cannot use "192.0.2.300" as address: ${wantedAddress}`,
    ],
    [
      changed("hv1.lab.example", '"hv1.lab.example:9102"'),
      `7:27: Cannot use "hv1.lab.example:9102" as address: ${wantedAddress} | A port has a key of its own`,
    ],
    [
      changed("name: hv2", "name: hv1"),
      '8:13: Duplicate hypervisor "hv1": already listed on line 7 | Keep one',
    ],
    [
      changed("name: hv2", "name: metadata"),
      '8:13: Cannot use "metadata" as name: the share uses that name for its catalog',
    ],
    [
      changed("192.0.2.12", "hv1.lab.example"),
      "8:5: Cannot use port 9102 twice on one machine: line 7 has it too | Give each its own port",
    ],
    [
      changed("192.0.2.12", "vmb.lab.example, fd_port: 9103"),
      "8:53: Cannot use port 9103 twice on one machine: ports.storage, by default, has it too | Give each its own port",
    ],
    [
      changed("192.0.2.12", "VMB.lab.Example, fd_port: 9103"),
      "8:53: Cannot use port 9103 twice on one machine: ports.storage, by default, has it too | Give each its own port",
    ],
    [
      changed("192.0.2.12", '"2001:db8::12"'),
      '8:27: Cannot use "2001:db8::12" as address: expected a name or an IPv4 address | ' +
      "The containers' networks and Bacula's daemons speak IPv4 alone; give the host a name or an address of it",
    ],
    [
      changed("192.0.2.12", "192.0.2.12, fd_port: 65536"),
      "8:48: Cannot use number 65536 as fd_port: expected a whole number from 1 to 65535",
    ],
    [
      `${smallSite}ports: { director: 9103, storage: 0 }\n`,
      "15:35: Cannot use number 0 as storage: expected a whole number from 1 to 65535",
    ],
    [
      `${smallSite}ports: { web: 9101 }\n`,
      "15:15: Cannot use port 9101 twice on one machine: ports.director, by default, has it too | Give each its own port",
    ],
    [
      changed('nas.lab.example:/export/backup"', '/export/backup"'),
      '5:16: Cannot use "/export/backup" as export: expected a server and a path, as nas.example.org:/export/backup' +
      " | An IPv6 address stands in brackets: [2001:db8::1]:/export",
    ],
    [
      changed('backup" }', 'backup", mount: mnt/backup }'),
      '5:57: Cannot use "mnt/backup" as mount: expected the absolute path of a mount point | ' +
      "Start it with /, and use letters, digits and . _ @ + - only",
    ],
    [
      changed('backup" }', 'backup", mount: /mnt/../etc }'),
      '5:57: Cannot use "/mnt/../etc" as mount: expected the absolute path of a mount point | ' +
      "Start it with /, and use letters, digits and . _ @ + - only",
    ],
    [
      changed('backup" }', 'backup", options: ["rw,hard"] }'),
      '5:60: Cannot use "rw,hard" as item 1 of options: expected one mount option, as hard or timeo=600 | ' +
      "Write a list, one item for each option: [rw, hard]",
    ],
    [
      `${smallSite}mail: { relay: "a b", from: x, recipients: [] }\n`,
      '15:16: Cannot use "a b" as relay: expected a host name or an IP address, and a port if it is not 25',
      '15:29: Cannot use "x" as from: expected a mail address, as backup@example.org',
      "15:44: Cannot use an empty list as recipients: expected at least one mail address | " +
      "Remove mail to send none",
    ],
    [
      `${smallSite}mail: { relay: a, from: x@y, recipients: ["A <a@b>"] }\n`,
      '15:43: Cannot use "A <a@b>" as item 1 of recipients: expected a mail address, as backup@example.org',
    ],
    [
      `${smallSite}slack_channel: "Back Ups"\n`,
      '15:16: Cannot use "Back Ups" as slack_channel: expected a channel, as "#backups" | ' +
      "Put it in quotes, since # begins a comment, and use small letters, digits, _ and -",
    ],
    [
      `${smallSite}concurrency: 0\nrootless: maybe\n`,
      "15:14: Cannot use number 0 as concurrency: expected a whole number from 1 to 20",
      '16:11: Cannot use "maybe" as rootless: expected true or false',
    ],
    [
      changed("address: 192.0.2.12 }", "address: 192.0.2.12, ssh: { user: Root } }"),
      '8:52: Cannot use "Root" as user: expected the name of a user, as root',
    ],
    [
      `${smallSite}volumes: { size_gb: 0, retention: 1 }\n`,
      "15:21: Cannot use number 0 as size_gb: expected a whole number from 1 to 10000",
      '15:24: Unknown key "retention" | Known keys: size_gb, retention_days',
    ],
  ];
  for (const [site, first = "", ...rest] of table) {
    const wanted = [first, ...rest].map((problem) => `site.yaml:${problem}`);
    assert.deepEqual(await problemsOfTexts({ site, list: "" }), wanted, site);
  }
});

function emptyProblems(): readonly string[] {
  return [
    '1:1: Missing key "name"',
    '1:1: Missing key "control" | Known keys: host, addresses',
    '1:1: Missing key "time_zone"',
    '1:1: Missing key "cycle" | Known keys: start, max_run_hours',
    '1:1: Missing key "nfs" | Known keys: export, mount, id, options',
    '1:1: Missing key "hypervisors"',
    '1:1: Missing key "images" | Known keys: postgres, director, storage, api, web',
  ];
}
