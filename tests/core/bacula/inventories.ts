import fc from "fast-check";
import { nameFault } from "../../../core/config/safe_name.ts";
import { parseSite, type Site } from "../../../core/config/site.ts";
import { parseVmList, type VmEntry } from "../../../core/config/vm_list.ts";
import { schedules } from "../../../core/config/vm_list_schema.ts";

/** A site with all that can be said, and VMs of every schedule and of names that need care. */
export const exampleTexts = {
  site: `name: 'Lab "A" $x 100% ü'
control: { host: vmb.lab.example, addresses: [192.0.2.10] }
time_zone: Europe/Berlin
cycle: { start: Saturday 12:00, max_run_hours: 40 }
nfs: { export: "nas.lab.example:/export/backup" }
hypervisors:
  - { name: hv1, address: hv1.lab.example }
  - { name: hv2, address: 192.0.2.12, fd_port: 9112 }
images:
  postgres: docker.io/library/postgres:17.6
  director: docker.io/bacularis/bacularis-api-dir:6.4.0-trixie
  storage: docker.io/bacularis/bacularis-api-sd:6.4.0-trixie
  api: docker.io/bacularis/bacularis-api-dir:6.4.0-trixie
  web: docker.io/bacularis/bacularis-web:6.4.0-trixie
mail:
  relay: mail.lab.example
  from: bacula@lab.example
  recipients: [ops@lab.example, lead@lab.example]
slack_channel: "#backups"
`,
  list: `vms:
  - { name: prod-db-01, hypervisor: hv1, priority: 20 }
  - { name: asav1, hypervisor: hv2, priority: 10 }
  - { name: 'wiki "old" $x 100% ü', hypervisor: hv1, priority: 30, schedule: biweekly }
  - { name: archive, hypervisor: hv2, priority: 40, schedule: monthly }
  - { name: scratch, hypervisor: hv1, priority: 50, schedule: manual }
`,
} as const;

/** Reads texts that must be valid. */
export async function parseTexts(
  texts: { readonly site: string; readonly list: string },
): Promise<{ readonly site: Site; readonly vms: readonly VmEntry[] }> {
  const { site, problems } = await parseSite(texts.site, "site.yaml");
  const list = await parseVmList(texts.list, "vm-list.yaml");
  if (site === undefined || list.problems.length > 0) {
    throw new Error(JSON.stringify([...problems, ...list.problems]));
  }
  return { site, vms: list.vms };
}

const awkward = [
  '"',
  "'",
  "$",
  "%",
  "%n",
  "@",
  "#",
  ";",
  "{",
  "}",
  "*",
  "[",
  "?",
  ":",
  "=",
  ",",
  " ",
  "ü",
  "🦆",
  "&",
];

/** Names that a VM, a hypervisor or a site may have, up to the longest. */
export const safeNames = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }),
  fc.array(fc.constantFrom(...awkward, "a", "B", "0"), { minLength: 1, maxLength: 20 })
    .map((parts) => parts.join("")),
  fc.constantFrom('"'.repeat(150), "x".repeat(150), "ü".repeat(75), "|x", "<x", "%%", "@include"),
).filter((name) => nameFault(name) === undefined && name !== "metadata");

/** Texts of any `site.yaml` and `vm-list.yaml` that are valid together. */
export const inventoryTexts = fc.record({
  name: safeNames,
  hypervisors: fc.uniqueArray(safeNames, { minLength: 1, maxLength: 3 }),
  vms: fc.uniqueArray(safeNames, { maxLength: 5 }),
  schedules: fc.infiniteStream(fc.constantFrom(...schedules)),
  concurrency: fc.integer({ min: 1, max: 20 }),
  start: fc.tuple(
    fc.constantFrom("Sunday", "mon", "TUE", "wednesday", "Thu", "fri", "Saturday"),
    fc.integer({ min: 0, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
  ).map(([day, hour, minute]) => `${day} ${hour}:${String(minute).padStart(2, "0")}`),
  mount: fc.constantFrom("/mnt/backup", "/b", `/${"long-".repeat(40)}/@x+y`),
  mail: fc.option(fc.constant({ relay: "m:25", from: "a@b", recipients: ["a.b+c@d", "e@f.g"] })),
  retention_days: fc.record({
    metadata: fc.integer({ min: 1, max: 3650 }),
    catalog: fc.integer({ min: 1, max: 3650 }),
  }),
}).map(({ name, hypervisors, vms, schedules, concurrency, start, mount, mail, retention_days }) => {
  const image = "localhost/x:1";
  return {
    site: JSON.stringify({
      name,
      control: { host: "vmb.lab.example" },
      time_zone: "UTC",
      cycle: { start },
      concurrency,
      nfs: { export: "nas:/x", mount },
      hypervisors: hypervisors.map((each, index) => ({ name: each, address: `hv${index}` })),
      images: { postgres: image, director: image, storage: image, api: image, web: image },
      mail,
      volumes: { retention_days },
    }),
    list: JSON.stringify({
      vms: vms.map((each, index) => ({
        name: each,
        hypervisor: hypervisors[index % hypervisors.length],
        priority: index + 1,
        schedule: schedules.next().value,
      })),
    }),
  };
});
