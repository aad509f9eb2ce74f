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

/** Why a companion is not to be had. */
interface Absent {
  readonly text: string;
  /** A domain that was never started has none yet, and misses nothing. */
  readonly isExpected: boolean;
}

export interface CompanionOptions {
  readonly system: Pick<System, "clock" | "files" | "processes" | "host">;
  readonly domain: Domain;
  readonly description: DomainDescription;
  readonly libvirtUri: string;
  /** Whether the domain has its companions open. */
  readonly isRunning: boolean;
}

/** What was read around an instant. */
export interface Companions {
  readonly companions: readonly Companion[];
  /** One for each that changed meanwhile, or could not be read. */
  readonly warnings: readonly string[];
  /** One for each that the domain does not have yet. */
  readonly notes: readonly string[];
}

/**
 * Reads the companions of a domain around `instant`: once before it and once after. Two reads that agree
 * are the state at the instant; if they do not, the reading is repeated until two in a row agree.
 */
export async function readAround<T>(
  options: CompanionOptions,
  instant: () => Promise<T>,
): Promise<Companions & { readonly value: T }> {
  const before = await readCompanions(options);
  const value = await instant();
  return { value, ...await settle(options, before) };
}

/** Companions that the domain wants, and that were not to be had: the checks after the backup know of it. */
export function absentCompanions(
  { nvram, tpm }: DomainDescription,
  companions: readonly Companion[],
): readonly Companion["role"][] {
  const wanted = [
    ...(nvram === undefined ? [] : ["nvram" as const]),
    ...(tpm?.backend === "emulator" ? ["tpm" as const] : []),
  ];
  return wanted.filter((role) => !companions.some((companion) => companion.role === role));
}

async function settle(
  options: CompanionOptions,
  before: readonly (Companion | Absent)[],
): Promise<Companions> {
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
      const absent = next.filter((companion) => "text" in companion);
      return {
        companions: next.filter((companion) => "role" in companion),
        warnings: [
          ...warnings,
          ...absent.filter(({ isExpected }) => !isExpected).map(({ text }) => text),
        ],
        notes: absent.filter(({ isExpected }) => isExpected).map(({ text }) => text),
      };
    }
    last = next;
    await options.system.clock.sleep(100);
  }
}

async function readCompanions(options: CompanionOptions): Promise<readonly (Companion | Absent)[]> {
  const { description } = options;
  return [
    ...(description.nvram === undefined ? [] : [await readNvram(options, description.nvram)]),
    ...(description.tpm?.backend === "emulator" ? await readTpm(options) : []),
  ];
}

async function readNvram(
  { system, domain, isRunning }: CompanionOptions,
  path: string,
): Promise<Companion | Absent> {
  const extension = /\.(\w+)$/.exec(path)?.[1] ?? "fd";
  try {
    if (!isRunning && await system.files.inspectTarget(path) === undefined) {
      return {
        text:
          `UEFI variable store "${path}" is not there yet: the next start makes it from its template`,
        isExpected: true,
      };
    }
    const content = await system.files.read(path);
    return { role: "nvram", name: `${domain.name}-nvram.${extension}`, content };
  } catch (error) {
    return {
      text: `UEFI variable store "${path}" cannot be read: ${String(error)}`,
      isExpected: false,
    };
  }
}

async function readTpm(
  { system, domain, description, libvirtUri, isRunning }: CompanionOptions,
): Promise<readonly (Companion | Absent)[]> {
  const folder = description.tpm?.source ?? tpmStateFolder(system.host, libvirtUri, domain.uuid);
  const absent = (text: string, isExpected = false): Absent => ({ text, isExpected });
  try {
    const packed = await packTpmState(system.files, folder);
    if (packed === undefined) {
      return isRunning
        ? [absent(`TPM state "${folder}" is missing: it lies elsewhere`)]
        : [absent(`TPM state "${folder}" is not there yet: the next start makes it`, true)];
    }
    const { archive, strange } = packed;
    const names = strange.map((path) => quoted(path)).join(", ");
    return [
      { role: "tpm", name: `${domain.name}-tpm.tar`, content: archive },
      ...(names === "" ? [] : [absent(`TPM state "${folder}" holds what is no state: ${names}`)]),
    ];
  } catch (error) {
    return [absent(`TPM state "${folder}" cannot be read: ${toVmbError(error).message}`)];
  }
}

function nameOf(companion: Companion | Absent): string {
  return "role" in companion ? companion.name : "a companion file";
}

function digestOf(companion: Companion | Absent | undefined): string {
  if (companion === undefined) return "";
  if ("text" in companion) return companion.text;
  return createHash("sha256").update(companion.content).digest("hex");
}
