import { runOk, systemProcesses } from "../../core/sys/process.ts";
import { median } from "./stopwatch.ts";

/** Bit of OpenSSL's view of the processor (OPENSSL_ia32cap(3)): the SHA instructions, off. */
const noShaInstructions = { OPENSSL_ia32cap: ":~0x20000000" };

/**
 * Calculates what a backup with its read-back would take on a processor without SHA instructions: its one SHA-256
 * is made by one thread, of every byte, so it is longer by what OpenSSL's takes longer.
 */
export async function showWithoutSha(
  copies: readonly { readonly seconds: number }[],
  dataBytes: number,
): Promise<string> {
  const [fast, slow] = [await bytesPerSecond({}), await bytesPerSecond(noShaInstructions)];
  const rates = `SHA-256 with the processor's instructions for it ${megabytes(fast)}, without ${
    megabytes(slow)
  }`;
  if (copies.length === 0) return rates;
  const now = median(copies.map(({ seconds }) => seconds));
  const then = now + dataBytes / slow - dataBytes / fast;
  return `${rates}: vmb with the read-back would take ${then.toFixed(2)} s (calculated), ${
    (then / now).toFixed(2)
  } times as long`;
}

async function bytesPerSecond(env: Readonly<Record<string, string>>): Promise<number> {
  const argv = ["openssl", "speed", "-mr", "-seconds", "1", "-bytes", "65536", "-evp", "sha256"];
  const { stdout } = await runOk(systemProcesses, argv as [string, ...string[]], { env });
  return Number(/^\+F:.*:([\d.]+)$/m.exec(stdout)?.[1]);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB/s`;
}
