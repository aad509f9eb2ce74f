import { randomInt } from "node:crypto";

/** They mean nothing to Bacula, to INI files, to URLs and to shells. */
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** 238 bits. Bacularis takes at most 60 characters. */
const length = 40;

/** Makes a password of 40 letters and digits, each chosen by the system's random generator. */
export function generatePassword(): string {
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join("");
}
