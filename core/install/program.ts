import { exitCodes, VmbError } from "../error.ts";
import type { System } from "../sys/system.ts";
import { sha256 } from "./state.ts";

/** The program that runs, as the one file that it is. */
export interface ProgramFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** @throws {VmbError} `install.source` (exit 2) when it runs from its sources */
export async function readProgram(
  { files, host }: Pick<System, "files" | "host">,
): Promise<ProgramFile> {
  const path = host.programFile();
  if (path === undefined) {
    throw new VmbError("Cannot install vmb from its sources: only a built program is one file", {
      code: "install.source",
      exit: exitCodes.usage,
      hint: "Build it with: deno task build; then run: dist/vmb hv install",
    });
  }
  const bytes = await files.read(path);
  return { path, bytes, sha256: sha256(bytes) };
}
