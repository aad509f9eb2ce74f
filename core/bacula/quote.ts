/**
 * Writes a text as a quoted string of Bacula's configuration files (lib/lex.c): every text that comes from
 * outside goes through here. Inside quotes only `"` and the backslash mean something, and a backslash takes
 * that away; `$`, `%`, `@`, `#`, `;` and braces stand for themselves.
 *
 * @throws {Error} for a control character, which no text of a configuration that was checked has
 */
export function quote(text: string): string {
  // deno-lint-ignore no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text) || !text.isWellFormed()) {
    throw new Error(`Cannot write ${JSON.stringify(text)} to a file of Bacula`);
  }
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}
