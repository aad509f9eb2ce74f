/** A word of a command: a text, or what Bacula puts in its place when the job runs. */
export type Word = string | { readonly code: Code };

/** Substitutions of job codes; `%e` and `%l` may be several words, and stay one here. */
type Code = "c" | "e" | "i" | "l" | "n";

/**
 * Writes a command for a `RunScript`. Bacula runs it without a shell: it splits it at spaces that are not in
 * quotes, knows no escape for a quote, and replaces `%` and a letter.
 *
 * A File Daemon with `AllowedScriptDirectories` refuses a command with any of ``$ ! ; \ & | < > ` ( )``, in
 * quotes or not, so none of these can be said at all.
 *
 * @throws {Error} for a word that cannot be said: a fault of vmb, which escapes names before
 */
export function baculaCommand(words: readonly Word[]): string {
  return words.map((word) => {
    if (typeof word !== "string") return `"%${word.code}"`;
    // deno-lint-ignore no-control-regex
    if (/[$!;\\&|<>`()"'\u0000-\u001f\u007f]/.test(word)) {
      throw new Error(`Cannot say ${JSON.stringify(word)} in a command of Bacula`);
    }
    const literal = word.replaceAll("%", "%%");
    return literal === "" || literal.includes(" ") ? `"${literal}"` : literal;
  }).join(" ");
}
