import { Option } from "@commander-js/extra-typings";
import type { Site } from "../../core/config/site.ts";
import { exitCodes, VmbError } from "../../core/error.ts";
import type { CertificateProblem } from "../../core/pki/certificate_problem.ts";
import type { Terminal } from "../../core/sys/terminal.ts";
import { newCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { repositoryFolder } from "./repository_folder.ts";

export function certsCommand(context: CommandContext) {
  return newCommand("certs", {
    summary: "Make the certificate of the web servers, valid for ten years; asks before a new one",
    examples: ["vmb ctl certs", "vmb ctl certs --keep", "vmb ctl certs --regenerate"],
    exits: { 6: "the certificate that was kept has problems" },
  })
    .argument("[dir]", "folder of the repository", ".")
    .addOption(new Option("--keep", "keep a certificate that is there").conflicts("regenerate"))
    .option("--regenerate", "make a new one")
    .option("--json", "print the result as JSON")
    .action(async (dir, { keep, regenerate, json }) => {
      const { system, terminal } = context;
      const folder = await repositoryFolder(system, dir);
      const { loadInventory } = await import("../../core/config/inventory.ts");
      const { site } = await loadInventory(system.files, folder);
      const { certificatePaths, makeCertificate, readCertificate } = await import(
        "../../core/pki/certificate.ts"
      );
      const { certificateProblems } = await import("../../core/pki/certificate_problem.ts");
      const names = certificateSubject(site);
      const now = system.clock.now();
      const present = await readCertificate(system.files, folder);
      const found = present ? certificateProblems({ ...present, names, now }) : [];
      for (const { message, hint } of found) {
        context.report({ kind: "warning", text: message, hint });
      }
      const choice = present === undefined || regenerate
        ? "regenerate"
        : keep
        ? "keep"
        : ask(terminal, found);
      const aside = choice === "regenerate"
        ? await makeCertificate(system, folder, names)
        : undefined;
      const paths = certificatePaths(folder);
      const problems = choice === "keep" ? found : [];
      context.result(
        json,
        { ...paths, made: choice === "regenerate", aside: aside ?? null, names, problems },
        () =>
          choice === "keep"
            ? `${paths.certificate}: kept\n`
            : `${paths.certificate}: made, for ${names.join(", ")}\n${
              aside === undefined ? "" : `The pair of before is in ${aside}\n`
            }Next: vmb ctl deploy\n`,
      );
      if (!problems.some(({ severity }) => severity === "error")) return;
      throw new VmbError("The certificate that was kept has problems", {
        code: "certs.problems",
        exit: exitCodes.problems,
        hint: problems.find(({ severity }) => severity === "error")?.hint,
      });
    });
}

/** The names by which browsers reach the control VM. */
function certificateSubject({ control }: Site): readonly string[] {
  return [...new Set([control.host, ...control.addresses])];
}

/** @throws {VmbError} `usage.certificate` (exit 2) when there is nobody to ask, or the answer is neither */
function ask(
  terminal: Terminal,
  problems: readonly CertificateProblem[],
): "keep" | "regenerate" {
  const state = problems.length === 0 ? "has no problems" : "has the problems above";
  const answer = terminal.ask(
    `There is a certificate, and it ${state}. Browsers that trust it will not trust a new one.
Type keep or regenerate: `,
  );
  if (answer === "keep" || answer === "regenerate") return answer;
  throw new VmbError(
    answer === undefined
      ? "There is a certificate already, and nobody to ask"
      : `Nothing was changed: "${answer}" is neither keep nor regenerate`,
    {
      code: "usage.certificate",
      exit: exitCodes.usage,
      hint: "Give --keep to leave it as it is, or --regenerate to make a new one",
    },
  );
}
