/** Bytes of UTF-8 that a name may have: with the longest suffix it still fits the 255 of a file name. */
const longestName = 150;

/**
 * Says why a name cannot become the name of a folder or a file on the share, as a clause that continues
 * a sentence: `it contains "/"`; `undefined` for a name that can.
 *
 * A safe name has 1 to 150 bytes of UTF-8 in normal form C, starts with neither `.` nor `-`, and has no
 * slash, backslash, control character, line separator, bidirectional mark or space around it. Spaces
 * inside, quotes, `$`, `%` and letters of any script are allowed. Such a name stands unescaped in a
 * listing of sha256sum.
 *
 * @param longest bytes; a file name is made of a safe name and a suffix
 */
export function nameFault(name: string, longest = longestName): string | undefined {
  if (name === "") return "it is empty";
  if (!name.isWellFormed()) return "it is not valid Unicode";
  if (name.startsWith(".") || name.startsWith("-")) return `it starts with "${name[0]}"`;
  if (name.includes("/")) return 'it contains "/"';
  if (name.includes("\\")) return "it contains a backslash";
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) return "it contains a control character";
  if (/[\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/.test(name)) {
    return "it contains an invisible character that changes how text is shown";
  }
  if (name !== name.trim()) return "it starts or ends with a space";
  if (name !== name.normalize("NFC")) return "it is not in Unicode normal form C";
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > longest) return `it has ${bytes} bytes, at most ${longest} are allowed`;
  return undefined;
}

/**
 * Says why a name cannot be that of a hypervisor. Its folder lies beside `metadata/` on the share, so that
 * name is taken.
 */
export function hypervisorNameFault(name: string): string | undefined {
  if (name === "metadata") return "the share uses that name for its catalog";
  return nameFault(name);
}
