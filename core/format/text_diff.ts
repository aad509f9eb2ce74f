import { createTwoFilesPatch } from "diff";

/**
 * Shows how a text changes, as `diff -u` does. Values of secrets are hidden: equal ones get the same
 * number, so that a change of one is seen.
 *
 * @param path of the file, as the heading names it
 * @param from the content that is there; `undefined` when there is no file
 * @param to the content that comes; `undefined` when the file goes
 */
export function textDiff(path: string, from: string | undefined, to: string | undefined): string {
  const hide = secretHider();
  const patch = createTwoFilesPatch(
    from === undefined ? "/dev/null" : path,
    to === undefined ? "/dev/null" : path,
    hide(from ?? ""),
    hide(to ?? ""),
    "",
    "",
    { context: 2 },
  );
  // What comes before only names the file once more, and underlines it.
  return patch.slice(patch.indexOf("--- "));
}

/** `KEY=value` and Bacula's `Key = "value"`, wherever on a line, where the key speaks of a secret. */
const secretValue =
  /((?:password|passwd|secret|token|webhook)[\w ]*=[ \t]*)("(?:[^"\\\n]|\\.)*"|\S.*)/gi;

function secretHider(): (text: string) => string {
  const numbers = new Map<string, number>();
  return (text) =>
    text.replace(secretValue, (_, key: string, value: string) => {
      const number = numbers.get(value) ?? numbers.size + 1;
      numbers.set(value, number);
      return `${key}<secret ${number}>`;
    });
}
