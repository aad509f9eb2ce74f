import * as z from "zod";
import { VmbError } from "../error.ts";
import { parseJson } from "../format/bounded_json.ts";

const seconds = z.number().nonnegative();

const stepSchema = z.strictObject({
  name: z.string(),
  outcome: z.enum(["ok", "warning", "failed", "skipped"]),
  detail: z.string(),
  seconds,
});

const screenshotSchema = z.strictObject({
  file: z.string(),
  width: z.int().positive(),
  height: z.int().positive(),
  colours: z.int().positive().describe("different colours; 1 is a blank screen"),
});

/** `proof.json`, schema version 1: how one test restore of a backup went. */
const proofSchema = z.strictObject({
  schemaVersion: z.literal(1),
  runId: z.string(),
  vm: z.string(),
  backup: z.strictObject({ hypervisor: z.string(), id: z.string() }),
  provedOn: z.string().describe("the hypervisor that ran the copy"),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  verdict: z.enum(["pass", "fail", "inconclusive"]),
  reason: z.string(),
  network: z.enum(["link-down", "isolated", "none"]),
  fullCopy: z.boolean(),
  recoverySeconds: seconds.nullable().describe(
    "from the command to the guest's first sign of life",
  ),
  bootSeconds: seconds.nullable().describe("from the start of the domain to that sign"),
  bootedBy: z.enum(["guest-agent", "console", "activity"]).nullable(),
  compared: z.array(z.strictObject({
    target: z.string(),
    clusters: z.int().nonnegative().describe("clusters of 64 KiB compared with the block map"),
    of: z.int().nonnegative(),
  })),
  system: z.string().nullable().describe("what the guest calls its operating system"),
  fileSystems: z.array(z.string()).describe("where file systems on disks are mounted"),
  addresses: z.array(z.string()),
  steps: z.array(stepSchema),
  screenshot: screenshotSchema.nullable(),
  versions: z.strictObject({
    vmb: z.string(),
    libvirt: z.string().nullable(),
    qemu: z.string().nullable(),
  }),
});

export type Proof = z.infer<typeof proofSchema>;
export type ProofStep = z.infer<typeof stepSchema>;
export type Verdict = Proof["verdict"];
export type ProofNetwork = Proof["network"];
export type BootSign = NonNullable<Proof["bootedBy"]>;
export type ProofScreenshot = z.infer<typeof screenshotSchema>;

export function writeProof(proof: Proof): string {
  return `${JSON.stringify(proofSchema.parse(proof), null, 2)}\n`;
}

/**
 * Reads the proof of a backup from the share.
 *
 * @throws {VmbError} `proof.invalid` with the field that is wrong
 */
export function readProof(text: string, path: string): Proof {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    throw invalid(path, "is no JSON");
  }
  const version = (value as { schemaVersion?: unknown } | null)?.schemaVersion;
  if (typeof version === "number" && version > 1) {
    throw invalid(path, `has schema version ${version}, newer than this vmb knows`);
  }
  const result = proofSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(path, `is invalid at ${issue?.path.join(".") || "its top"}: ${issue?.message}`);
}

function invalid(path: string, what: string): VmbError {
  return new VmbError(`Proof "${path}" ${what}`, { code: "proof.invalid" });
}
