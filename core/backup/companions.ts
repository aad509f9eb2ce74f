import { createHash } from "node:crypto";
import { toVmbError } from "../error.ts";
import { quoted } from "../format/quoted.ts";
import type { Domain } from "../libvirt/domain.ts";
import type { DomainDescription } from "../libvirt/domain_xml.ts";
import { packTpmState, tpmStateFolder } from "../libvirt/tpm_state.ts";
import type { System } from "../sys/system.ts";

/** A small file of a domain beside its disks: the UEFI variable store, the state of a TPM. */
export interface Companion {
  readonly role: "nvram" | "tpm";
  /** File name in the backup. */
  readonly name: string;
  readonly content: Uint8Array;
}

export interface CompanionOptions {
  readonly system: Pick<System, "clock" | "files" | "processes" | "host">;
  readonly domain: Domain;
  readonly description: DomainDescription;
  readonly libvirtUri: string;
}

/**
 * Reads the companions of a domain around `instant`: once before it and once after. Two reads that agree
 * are the state at the instant; if they do not, the reading is repeated until two in a row agree.
 *
 * @returns the companions and a warning for each that changed meanwhile or could not be read
 */
export async function readAround<T>(
  options: CompanionOptions,
  instant: () => Promise<T>,
): Promise<{ value: T; companions: readonly Companion[]; warnings: readonly string[] }> {
  const before = await readCompanions(options);
  const value = await instant();
  return { value, ...await settle(options, before) };
}

async function settle(
  options: CompanionOptions,
  before: readonly (Companion | string)[],
): Promise<{ companions: readonly Companion[]; warnings: readonly string[] }> {
  const warnings: string[] = [];
  let last = before;
  for (let attempt = 0;; attempt++) {
    const next = await readCompanions(options);
    const changed = next.filter((companion, index) =>
      digestOf(companion) !== digestOf(last[index])
    );
    if (attempt === 0) {
      warnings.push(
        ...changed.map((companion) =>
          `${nameOf(companion)} changed while the disks were captured: it is of a moment later`
        ),
      );
    }
    if (changed.length === 0 || attempt === 10) {
      if (changed.length > 0) {
        warnings.push(`${changed.map(nameOf).join(", ")} did not come to rest`);
      }
      return {
        companions: next.filter((companion) => typeof companion !== "string"),
        warnings: [...warnings, ...next.filter((companion) => typeof companion === "string")],
      };
    }
    last = next;
    await options.system.clock.sleep(100);
  }
}

/** A companion that cannot be read is a sentence that says why. */
async function readCompanions(options: CompanionOptions): Promise<readonly (Companion | string)[]> {
  const { description, domain, system } = options;
  const found: (Companion | string)[] = [];
  if (description.nvram !== undefined) {
    const path = description.nvram;
    const extension = /\.(\w+)$/.exec(path)?.[1] ?? "fd";
    try {
      const content = await system.files.read(path);
      found.push({ role: "nvram", name: `${domain.name}-nvram.${extension}`, content });
    } catch (error) {
      found.push(`UEFI variable store "${path}" cannot be read: ${String(error)}`);
    }
  }
  if (description.tpm?.backend === "emulator") found.push(...await readTpm(options));
  return found;
}

async function readTpm(options: CompanionOptions): Promise<readonly (Companion | string)[]> {
  const { system, domain } = options;
  const folder = options.description.tpm?.source ??
    tpmStateFolder(system.host, options.libvirtUri, domain.uuid);
  try {
    const packed = await packTpmState(system.files, folder);
    if (packed === undefined) {
      return [`TPM state "${folder}" is missing: the VM was never started, or it lies elsewhere`];
    }
    const { archive, strange } = packed;
    const names = strange.map((path) => quoted(path)).join(", ");
    return [
      { role: "tpm", name: `${domain.name}-tpm.tar`, content: archive },
      ...(names === "" ? [] : [`TPM state "${folder}" holds what is no state: ${names}`]),
    ];
  } catch (error) {
    return [`TPM state "${folder}" cannot be read: ${toVmbError(error).message}`];
  }
}

function nameOf(companion: Companion | string): string {
  return typeof companion === "string" ? "a companion file" : companion.name;
}

function digestOf(companion: Companion | string | undefined): string {
  if (typeof companion !== "object") return companion ?? "";
  return createHash("sha256").update(companion.content).digest("hex");
}
