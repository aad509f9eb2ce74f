import { InvalidArgumentError } from "@commander-js/extra-typings";

/** Reads a whole number from 1 on, of the command line. */
export function positiveNumber(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) {
    throw new InvalidArgumentError("A positive number is wanted.");
  }
  return number;
}
