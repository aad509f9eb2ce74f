import { exitCodes, VmbError } from "../core/error.ts";

/** Reads an argument that names a folder; no slash is at its end. */
export function absoluteFolder(text: string): string {
  if (text.startsWith("/") && !text.split("/").includes("..")) return text.replace(/(.)\/+$/, "$1");
  throw new VmbError(`Cannot use "${text}" as a folder: expected an absolute path`, {
    code: "usage.folder",
    exit: exitCodes.usage,
  });
}
