/**
 * What a terminal or a reader would act on instead of showing it: control characters (C0 and C1, and so escape
 * sequences, OSC and carriage returns), line separators, bidirectional marks, invisible joiners of tags, and lone
 * surrogates.
 */
const acting =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Cs}|[\u{e0000}-\u{e007f}]/gu;

/** As `acting`, but for the breaks and tabs of a text of several lines. */
const actingInText = new RegExp(
  acting.source.replace("\\u0000-\\u001f", "\\u0000-\\u0008\\u000b-\\u001f"),
  "gu",
);

/**
 * Shows a text that may come from outside on one line, with all that a terminal would act on as JSON writes it: no
 * file name, manifest, guest or lock holder moves a cursor, hides a word, or forges a line of ours.
 */
export function escaped(text: string): string {
  return text.replace(acting, escape);
}

/** As `escaped`, for a text of ours that has several lines; what is put into it is `escaped` before. */
export function escapedText(text: string): string {
  return text.replace(actingInText, escape);
}

function escape(character: string): string {
  const short = shortForms[character];
  if (short !== undefined) return short;
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

const shortForms: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
