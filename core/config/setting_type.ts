import { parseBytes } from "../format/bytes.ts";
import { hypervisorNameFault } from "./safe_name.ts";

/** Outcome of reading a value: the value, or why not, as a clause after a colon. */
export type Parsed<Value> =
  | { readonly value: Value }
  | { readonly reason: string; readonly hint?: string };

/** How a kind of setting is written in `vm-backup.conf`. */
export interface SettingType<Value> {
  parse(text: string): Parsed<Value>;
  /** The text that `parse` reads as this value. */
  show(value: Value): string;
  /** What an editor can check before we do, for the JSON Schema. */
  readonly pattern?: RegExp;
  readonly choices?: readonly string[];
}

const gibibyte = 1024 ** 3;
const slowest = 64 * 1024;

export const hypervisorName: SettingType<string> = {
  parse(text) {
    const reason = text === "" ? "expected a name" : hypervisorNameFault(text);
    return reason === undefined ? { value: text } : { reason };
  },
  show: String,
};

export const absolutePath: SettingType<string> = {
  parse(text) {
    if (!text.startsWith("/")) {
      return { reason: 'expected an absolute path, which starts with "/"' };
    }
    const parts = text.split("/").filter((part) => part !== "");
    if (parts.includes(".") || parts.includes("..")) {
      return { reason: 'expected a path without "." and ".."' };
    }
    if (parts.length === 0) return { reason: "expected a folder of its own" };
    return { value: `/${parts.join("/")}` };
  },
  show: String,
  pattern: /^\/./,
};

export const fileSystemTypes: SettingType<readonly string[]> = {
  parse(text) {
    const words = [...new Set(text.split(/\s+/).filter((word) => word !== ""))];
    if (words.length > 0 && words.every((word) => /^[a-z0-9][a-z0-9._-]*$/.test(word))) {
      return { value: words };
    }
    return {
      reason: "expected file system types",
      hint: 'Separate the types by spaces, as in "nfs nfs4"',
    };
  },
  show: (words) => words.join(" "),
};

export const libvirtUri: SettingType<string> = {
  parse: (text) =>
    /^qemu(\+unix)?:\/\/\/\S+$/.test(text) ? { value: text } : {
      reason: "expected the URI of QEMU on this machine",
      hint: "Use qemu:///system",
    },
  show: String,
  pattern: /^qemu(\+unix)?:\/\/\/\S+$/,
};

/** A whole number of GiB, kept in bytes. */
export const gibibytes: SettingType<number> = {
  parse(text) {
    const parsed = parseWholeNumber(text, 0, 999_999);
    return "value" in parsed ? { value: parsed.value * gibibyte } : {
      ...parsed,
      hint: "The unit is GiB; write the number alone",
    };
  },
  show: (bytes) => String(bytes / gibibyte),
  pattern: /^\d{1,6}$/,
};

/** A whole number of something. */
export function count(least: number, most: number): SettingType<number> {
  return {
    parse: (text) => parseWholeNumber(text, least, most),
    show: String,
    pattern: /^\d+$/,
  };
}

/** A whole number of seconds. */
export function seconds(least: number, most: number): SettingType<number> {
  return {
    parse(text) {
      const parsed = parseWholeNumber(text, least, most);
      return "value" in parsed
        ? parsed
        : { ...parsed, hint: "The unit is seconds; write the number alone" };
    },
    show: String,
    pattern: /^\d+$/,
  };
}

/** Bytes per second; `undefined` for no limit. */
export const bandwidth: SettingType<number | undefined> = {
  parse(text) {
    if (text === "") return { value: undefined };
    const bytes = parseBytes(text.replace(/\/s$/, ""));
    if (bytes === undefined) {
      return {
        reason: "expected bytes per second",
        hint: "Write it as 200M or 1.5G, in bytes and not in bits, or leave it empty for no limit",
      };
    }
    if (bytes < slowest) {
      return {
        reason: "expected 64K per second or more",
        hint: "Add K, M or G, as in 200M, or leave it empty for no limit",
      };
    }
    return { value: bytes };
  },
  show(bytes) {
    if (bytes === undefined) return "";
    for (const [suffix, unit] of [["G", gibibyte], ["M", 1024 ** 2], ["K", 1024]] as const) {
      if (bytes % unit === 0) return `${bytes / unit}${suffix}`;
    }
    return String(bytes);
  },
  pattern: /^(\d+(\.\d+)? ?([KMGTPkmgtp](i?B)?|B)?(\/s)?)?$/,
};

export function choice<const Choice extends string>(
  choices: readonly Choice[],
): SettingType<Choice> {
  return {
    parse(text) {
      const value = choices.find((each) => each === text);
      return value === undefined ? { reason: `expected ${eitherOf(choices)}` } : { value };
    },
    show: String,
    choices,
  };
}

export const yesOrNo: SettingType<boolean> = {
  parse: (text) =>
    text === "yes" || text === "no" ? { value: text === "yes" } : { reason: "expected yes or no" },
  show: (value) => value ? "yes" : "no",
  choices: ["no", "yes"],
};

export function isShareId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** The random id of a share; `undefined` for none. */
export const shareId: SettingType<string | undefined> = {
  parse(text) {
    if (text === "") return { value: undefined };
    return isShareId(text) ? { value: text } : {
      reason: "expected the id of a share, 32 hexadecimal digits",
      hint: "vmb hv init-share says it",
    };
  },
  show: (id) => id ?? "",
  pattern: /^([0-9a-f]{32})?$/,
};

/** A Slack webhook; `undefined` for none. Plain HTTP would tell the secret to the network. */
export const webhook: SettingType<string | undefined> = {
  parse(text) {
    if (text === "") return { value: undefined };
    const url = URL.parse(text);
    if (url?.protocol === "https:") return { value: text };
    const local = url !== null && ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
    if (url?.protocol === "http:" && local) return { value: text };
    return {
      reason: "expected an https:// URL",
      hint: "Copy the webhook URL from the settings of your Slack app, or leave it empty for none",
    };
  },
  show: (url) => url ?? "",
  pattern: /^($|https?:\/\/)/,
};

/** Words a list of choices: `none or zstd`, `a, b or c`. */
export function eitherOf(choices: readonly string[]): string {
  return [choices.slice(0, -1).join(", "), ...choices.slice(-1)].filter((part) => part !== "")
    .join(" or ");
}

function parseWholeNumber(text: string, least: number, most: number): Parsed<number> {
  const value = Number(text);
  // A leading zero means octal elsewhere, so it is not guessed at.
  if (/^(0|[1-9]\d{0,14})$/.test(text) && value >= least && value <= most) return { value };
  return { reason: `expected a whole number from ${least} to ${most}` };
}
