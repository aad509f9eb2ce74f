import type { Part } from "./part.ts";

/** Patterns of single values. None of them can hold a path, an address of a network or an option of QEMU. */
export const number = /\d{1,19}/;
export const size = /\s*\d{1,15}\s*/;
/** A number as addresses write it. */
export const index = /(0x)?[0-9a-fA-F]{1,16}/;
/** A model, a machine type, a feature: never a slash, a colon or a comma. */
export const word = /[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}/;
export const choice = /(on|off|yes|no|default|auto)/;
/** libvirt's virScaleInteger, which minds no case. */
export const unit = /(b|bytes?|[kmgtpe](i?b)?)/i;
/** What only the guest reads. */
export const text = /[^\0]{0,4096}/;

/** An element of attributes alone. */
export function plain(attributes: Part["attributes"] = {}): Part {
  return { attributes };
}

/** The same pattern, or the same part, for several names. */
export function each<T>(names: string, value: T): Readonly<Record<string, T>> {
  return Object.fromEntries(names.split(" ").map((name) => [name, value]));
}

/** A number of bytes in a unit. */
export const amount: Part = { is: { unit }, text: size };
