import { createHash } from "node:crypto";
import type { Files } from "../sys/files.ts";

/** What is at a path, as far as an installation cares. */
export interface PathState {
  /** `sha256:<hex>` of a file, `-> <target>` of a symlink, or the kind of something else. */
  readonly state: string;
  readonly mode: number;
  readonly uid: number;
}

/** Looks at a path; `undefined` when nothing is there. */
export async function stateOf(files: Files, path: string): Promise<PathState | undefined> {
  const info = await files.inspect(path);
  if (info === undefined) return undefined;
  const { kind, mode, uid } = info;
  switch (kind) {
    case "file":
      return { state: fileState(await files.read(path)), mode, uid };
    case "symlink":
      return { state: linkState(await files.readLink(path)), mode, uid };
    default:
      return { state: kind, mode, uid };
  }
}

export function fileState(content: string | Uint8Array): string {
  return `sha256:${sha256(content)}`;
}

export function linkState(target: string): string {
  return `-> ${target}`;
}

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
