/** Levels of arrays and objects: nothing of ours has a fifth of it. */
const mostLevels = 40;

/**
 * Reads JSON that came from outside. How deep it goes is looked at before it is parsed: a text of brackets alone
 * would take fifty times its size. How long it may be is for whoever reads the file to say.
 *
 * @throws {SyntaxError} for what is no JSON, or goes too deep
 */
export function parseJson(text: string): unknown {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // "
        inString = !inString;
        break;
      case 0x5c: // \ hides what comes next, a quotation mark too
        if (inString) at++;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (!inString && ++depth > mostLevels) {
          throw new SyntaxError(`it has more than ${mostLevels} levels`);
        }
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (!inString) depth--;
    }
  }
  return JSON.parse(text);
}
