import { parseAddress, parseMailAddress, parseRelay } from "./address.ts";
import { parseCycleStart } from "./cycle_start.ts";
import { parseImageName } from "./image_name.ts";
import { parseExport, parseMountPath } from "./nfs_mount.ts";
import { hypervisorNameFault, nameFault } from "./safe_name.ts";
import { schemaParts } from "./schema_parts.ts";
import { type Parsed, shareId } from "./setting_type.ts";
import { parseTimeZone } from "./time_zone.ts";

/** What holds where `site.yaml` does not say otherwise. */
export const siteDefaults = {
  rootless: false,
  maxRunHours: 24,
  concurrency: 1,
  mount: "/mnt/backup",
  options: ["rw", "hard", "nfsvers=4.2"],
  fdPort: 9102,
  ssh: { user: "root", port: 22 },
  ports: { director: 9101, storage: 9103, web: 9097 },
  sizeGb: 50,
  retentionDays: { metadata: 365, catalog: 90 },
} as const;

/** A whole `site.yaml` as data. */
export type SiteItem = ReturnType<ReturnType<typeof siteSchema>["parse"]>;

/** The schema of `site.yaml`. */
export function siteSchema(zod: typeof import("zod")) {
  const { z } = zod;
  const { name, parsed, wholeNumber, mapping, listOf } = schemaParts(zod);
  const address = parsed(parseAddress);
  const image = parsed(parseImageName);
  const port = wholeNumber(1, 65_535);
  const { ports, ssh, retentionDays } = siteDefaults;

  const hypervisor = mapping({
    name: name(hypervisorNameFault).describe("HYPERVISOR_NAME of that machine"),
    address: parsed(parseReachable).describe("Where the control VM reaches it"),
    fd_port: port.default(siteDefaults.fdPort).describe("Port of its Bacula File Daemon"),
    ssh: mapping({
      user: parsed(parseUser).default(ssh.user).describe("User that vmb ctl push logs in as"),
      port: port.default(ssh.port).describe("Port of its sshd"),
    }).prefault({}).describe("How vmb ctl push reaches it"),
    unpack_dir: parsed(parseMountPath).optional()
      .describe("Where the self-extracting program unpacks itself, if /var/cache is noexec"),
  });

  const mail = mapping({
    relay: parsed(parseRelay).describe("Host that takes mail, with a port if it is not 25"),
    from: parsed(parseMailAddress).describe("Sender of all mail"),
    recipients: z.array(parsed(parseMailAddress), { error: "expected a list of mail addresses" })
      .min(1, { error: "expected at least one mail address\nRemove mail to send none" })
      .describe("Who gets mail about jobs that failed, and the summary of the week"),
  });

  return mapping({
    name: name(nameFault).describe("Name of the site, for people"),
    control: mapping({
      host: parsed(parseReachable)
        .describe("Name of the control VM, as hypervisors and browsers reach it"),
      addresses: listOf(address, "addresses").describe("Its other names and addresses"),
    }).describe("The control VM"),
    rootless: z.boolean({ error: "expected true or false" }).default(siteDefaults.rootless)
      .describe("Run the containers as a user who is not root"),
    time_zone: parsed(parseTimeZone).describe("Time zone of the cycle and of all logs"),
    cycle: mapping({
      start: parsed(parseCycleStart).describe("Weekday and time at which the backups begin"),
      max_run_hours: wholeNumber(1, 160).default(siteDefaults.maxRunHours)
        .describe("Hours in which a backup must have begun, and that it may take"),
    }).describe("The weekly cycle"),
    concurrency: wholeNumber(1, 20).default(siteDefaults.concurrency)
      .describe("Jobs that run at once in the whole site"),
    nfs: mapping({
      export: parsed(parseExport).describe("What the file server exports"),
      mount: parsed(parseMountPath).default(siteDefaults.mount)
        .describe("Where it is mounted, on the control VM and on all hypervisors"),
      id: parsed(parseShareId).optional()
        .describe("Id of the share, as vmb hv init-share says it; without: any share"),
      options: z.array(parsed(parseMountOption), {
        error: "expected a list of mount options, as [rw, hard]",
      }).default([...siteDefaults.options]).describe("Options of the mount"),
    }).describe("The share that holds the backups"),
    hypervisors: z.array(hypervisor, { error: "expected a list of hypervisors" })
      .min(1, { error: "expected at least one hypervisor" })
      .describe("The machines that run the VMs"),
    images: mapping({
      postgres: image.describe("PostgreSQL"),
      director: image.describe("Has bacula-dir, bconsole and pg_dump"),
      storage: image.describe("Has bacula-sd"),
      api: image.describe("Bacularis API"),
      web: image.describe("Bacularis Web"),
    }).describe("Container images, each name:tag, or name:tag@sha256:DIGEST to pin it for good"),
    ports: mapping({
      director: port.default(ports.director).describe("Of the Director"),
      storage: port.default(ports.storage).describe("Of the Storage Daemon"),
      web: port.default(ports.web).describe("Of Bacularis, HTTPS"),
    }).prefault({}).describe("Ports that the control VM listens on"),
    mail: mail.nullish().describe("Mail about jobs; without it none is sent"),
    slack_channel: parsed(parseChannel).nullish().describe("Slack channel that messages name"),
    volumes: mapping({
      size_gb: wholeNumber(1, 10_000).default(siteDefaults.sizeGb)
        .describe("GiB that a volume of Bacula holds"),
      retention_days: mapping({
        metadata: wholeNumber(1, 3650).default(retentionDays.metadata)
          .describe("Days that the metadata of backups is kept in volumes"),
        catalog: wholeNumber(1, 3650).default(retentionDays.catalog)
          .describe("Days that dumps of the catalog are kept in volumes"),
      }).prefault({}).describe("How long volumes are kept"),
    }).prefault({}).describe("Volumes of Bacula itself"),
  });
}

/**
 * Bacula's daemons are told IPv4 addresses to listen on, and the containers' networks have no others: one of IPv6
 * would be found unreachable by the first job only.
 */
function parseReachable(text: string): Parsed<string> {
  const parsed = parseAddress(text);
  if (!("value" in parsed) || !parsed.value.includes(":")) return parsed;
  return {
    reason: "expected a name or an IPv4 address",
    hint:
      "The containers' networks and Bacula's daemons speak IPv4 alone; give the host a name or an address of it",
  };
}

function parseUser(text: string): Parsed<string> {
  return /^[a-z_][a-z0-9_-]{0,31}$/.test(text)
    ? { value: text }
    : { reason: "expected the name of a user, as root" };
}

function parseMountOption(text: string): Parsed<string> {
  if (/^[a-z][a-z0-9_]*(=[A-Za-z0-9._:/@+-]+)?$/.test(text)) return { value: text };
  return {
    reason: "expected one mount option, as hard or timeo=600",
    ...(text.includes(",") && { hint: "Write a list, one item for each option: [rw, hard]" }),
  };
}

function parseShareId(text: string): Parsed<string> {
  const parsed = shareId.parse(text);
  if ("reason" in parsed) return parsed;
  return parsed.value === undefined
    ? { reason: "expected the id of a share, 32 hexadecimal digits" }
    : { value: parsed.value };
}

function parseChannel(text: string): Parsed<string> {
  return /^#[\p{Ll}\p{Lo}\p{N}_-]{1,79}$/u.test(text) ? { value: text } : {
    reason: 'expected a channel, as "#backups"',
    hint: "Put it in quotes, since # begins a comment, and use small letters, digits, _ and -",
  };
}
