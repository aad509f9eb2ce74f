import { ConfigError, type ConfigProblem } from "../error.ts";

/** Shows a problem on one line, without its hint: `/path/vm-list.yaml:3:5: Unknown key "metod"`. */
export function problemLine(problem: ConfigProblem): string {
  const { source, line, column, message } = problem;
  const place = line === undefined ? source : `${source}:${line}:${column ?? 1}`;
  return `${place}: ${message}`;
}

/**
 * Makes the error that reports all problems together, a line each, in the order of their places in a file.
 * The hint of a single problem is the hint of the error; among several, each hint follows its problem.
 */
export function configError(problems: readonly ConfigProblem[]): ConfigError {
  const [only] = problems;
  if (problems.length === 1 && only !== undefined) {
    return new ConfigError(problemLine(only), { hint: only.hint, problems });
  }
  const lines = problems.flatMap((problem) =>
    problem.hint === undefined
      ? [problemLine(problem)]
      : [problemLine(problem), `  hint: ${problem.hint}`]
  );
  return new ConfigError(lines.join("\n"), { problems });
}

/**
 * Orders the problems of one file by their places, each once: a mistake behind an alias is found wherever
 * the alias is used.
 */
export function inFileOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const distinct = new Map(problems.map((problem) => [JSON.stringify(problem), problem]));
  return [...distinct.values()].sort((a, b) =>
    (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)
  );
}
