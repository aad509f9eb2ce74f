/**
 * Writes a name with ASCII letters, digits and `. _ - :` only: each byte of UTF-8 that is none of the first
 * four kinds becomes `:` and its two hexadecimal digits. Two names never have one escaped form.
 *
 * Bacula allows few other characters in the names of resources, and its File Daemon refuses commands that
 * have any of ``$ ! ; \ & | < > ` ( )``.
 */
export function escapeName(name: string): string {
  return Array.from(new TextEncoder().encode(name), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9._-]/.test(character) ? character : `:${byte.toString(16).padStart(2, "0")}`;
  }).join("");
}

/** Reads what `escapeName` wrote; `undefined` for what it never writes. */
export function unescapeName(escaped: string): string | undefined {
  if (!/^([A-Za-z0-9._-]|:[0-9a-f]{2})*$/.test(escaped)) return undefined;
  const bytes = [...escaped.matchAll(/:(..)|(.)/g)].map(([, hex, character = ""]) =>
    hex === undefined ? character.charCodeAt(0) : parseInt(hex, 16)
  );
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      Uint8Array.from(bytes),
    );
  } catch {
    return undefined;
  }
  return escapeName(name) === escaped ? name : undefined;
}

/** Begins a name that is given in its escaped form; no name of a VM has a slash. */
const mark = "/";

/**
 * Writes the name of a VM as a word of a command line that Bacula will split: as it is where that is safe,
 * else escaped behind a slash.
 */
export function nameArgument(name: string): string {
  const escaped = escapeName(name);
  return escaped === name ? name : `${mark}${escaped}`;
}

/** Reads what `nameArgument` wrote, or a person typed; an escaped form that cannot be read stays as it is. */
export function parseNameArgument(word: string): string {
  if (!word.startsWith(mark)) return word;
  return unescapeName(word.slice(mark.length)) ?? word;
}
