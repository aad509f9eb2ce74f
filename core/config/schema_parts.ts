import { eitherOf, type Parsed } from "./setting_type.ts";

/**
 * Makes the parts that the schemas of YAML files are built of. The message of an issue is the wanted state,
 * and on a second line its hint; that of an unknown key lists the known ones.
 */
export function schemaParts({ z }: typeof import("zod")) {
  const text = z.string({ error: "expected text" });

  function name(fault: (name: string) => string | undefined) {
    return text.superRefine((value, context) => {
      const message = fault(value);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    });
  }

  /** A text that `parse` makes a value of, or says why not. */
  function parsed<Value>(parse: (text: string) => Parsed<Value>) {
    return text.transform((value, context): Value => {
      const outcome = parse(value);
      if ("value" in outcome) return outcome.value;
      const { reason, hint } = outcome;
      const message = hint === undefined ? reason : `${reason}\n${hint}`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    });
  }

  function wholeNumber(least: number, most: number) {
    const error = `expected a whole number from ${least} to ${most}`;
    return z.int({ error }).min(least, { error }).max(most, { error });
  }

  function oneOf<const Choice extends string>(choices: readonly Choice[]) {
    return z.enum(choices, { error: `expected ${eitherOf(choices)}` });
  }

  function mapping<Shape extends Record<string, import("zod").ZodType>>(shape: Shape) {
    return z.strictObject(shape, {
      error: (issue) =>
        issue.code === "unrecognized_keys"
          ? Object.keys(shape).join(", ")
          : `expected a mapping\nKnown keys: ${Object.keys(shape).join(", ")}`,
    });
  }

  /** A key whose items were all commented out is an empty list. */
  function listOf<Item extends import("zod").ZodType>(item: Item, what: string) {
    return z.array(item, { error: `expected a list of ${what}` }).nullish()
      .transform((items) => items ?? []);
  }

  return { text, name, parsed, wholeNumber, oneOf, mapping, listOf };
}
