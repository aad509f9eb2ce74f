import { VmbError } from "../error.ts";
import { type Processes, runOk } from "../sys/process.ts";

/** Bacularis accepts this count alone, and only where it is written out (Common/Modules/Sha512.php). */
const rounds = 10_000;

/**
 * Hashes a password by crypt(5)'s `$6$` with a new salt, in the form that Bacularis reads.
 *
 * @param password goes to openssl through stdin
 */
export async function sha512Crypt(
  processes: Pick<Processes, "run">,
  password: string,
): Promise<string> {
  const salt = crypto.randomUUID().replaceAll("-", "").slice(0, 16);
  const { stdout } = await runOk(
    processes,
    ["openssl", "passwd", "-6", "-salt", `rounds=${rounds}$${salt}`, "-stdin"],
    { stdin: `${password}\n` },
  );
  const hash = stdout.trim();
  if (new RegExp(`^\\$6\\$rounds=${rounds}\\$${salt}\\$[A-Za-z0-9./]{86}$`).test(hash)) return hash;
  throw new VmbError("openssl passwd gave no hash of the expected form", {
    code: "secrets.hash",
    hint: "OpenSSL 1.1.1 or later is needed",
  });
}
