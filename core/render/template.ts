import { Eta } from "eta";
import { VmbError } from "../error.ts";

/**
 * Fills a template of Eta: `<%= it.name %>` stands for a value, which `escape` quotes for the language of the
 * file; `<%~ it.name %>` for text that is already in it. White space stays as it is.
 *
 * @param name of the template, as errors name it
 * @throws {VmbError} `render.template` for a name that `values` does not have, or a value that is not set
 */
export function renderTemplate(
  name: string,
  template: string,
  values: Readonly<Record<string, unknown>>,
  escape: (value: string) => string,
): string {
  const eta = new Eta({
    autoEscape: true,
    autoTrim: false,
    // Anything but text and numbers would be printed as JavaScript shows it.
    escapeFunction: (value) => escape(textOf(name, value)),
  });
  try {
    return eta.renderString(template, strict(name, values));
  } catch (error) {
    if (error instanceof VmbError) throw error;
    throw new VmbError(`Template "${name}" cannot be rendered: ${String(error)}`, {
      code: "render.template",
      cause: error,
    });
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw new VmbError(`Template "${name}" prints ${typeof value}: expected text or a number`, {
    code: "render.template",
  });
}

function strict(
  name: string,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return new Proxy(values, {
    get(target, key) {
      if (typeof key === "symbol" || Object.hasOwn(target, key)) return Reflect.get(target, key);
      throw new VmbError(`Template "${name}" names "${key}": there is no such value`, {
        code: "render.template",
      });
    },
  });
}
