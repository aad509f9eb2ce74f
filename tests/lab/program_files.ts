import { VmbError } from "../../core/error.ts";
import { systemProcesses } from "../../core/sys/process.ts";

/** Where a program of the machine lies, or `undefined`. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/libexec"]) {
    const path = `${folder}/${name}`;
    if (await Deno.stat(path).then((info) => info.isFile, () => false)) return path;
  }
  return undefined;
}

/** @throws {VmbError} `lab.missing` with the name of the package as its hint */
export async function requireProgram(name: string, packages: string): Promise<string> {
  const path = await findProgram(name);
  if (path === undefined) {
    throw new VmbError(`The lab needs a program that is not installed: ${name}`, {
      code: "lab.missing",
      exit: 5,
      hint: `Install ${packages}`,
    });
  }
  return path;
}

/** Every library that a program loads, its loader included; none for a static program. */
export async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await systemProcesses.run(["ldd", program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? "");
}
