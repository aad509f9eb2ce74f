import { VmbError } from "../../../core/error.ts";
import { systemProcesses } from "../../../core/sys/process.ts";
import type { System } from "../../../core/sys/system.ts";

/** A machine on which a program is not installed. */
export function missingProgram(name: string): Pick<System, "processes"> {
  return {
    processes: {
      ...systemProcesses,
      run: (argv, options) =>
        argv[0] === name
          ? Promise.reject(new VmbError(`Program not found: ${name}`, { code: "process.missing" }))
          : systemProcesses.run(argv, options),
    },
  };
}
