/**
 * Shows a text that came from outside, in double quotes, on one line and with nothing that a terminal
 * would act on: control characters, line separators, bidirectional marks and lone surrogates are
 * escaped as in JSON.
 *
 * @param limit characters after which the text is cut and ends with `…`
 */
export function quoted(text: string, limit = 200): string {
  const characters = [...text];
  const shown = characters.length > limit ? `${characters.slice(0, limit).join("")}…` : text;
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
