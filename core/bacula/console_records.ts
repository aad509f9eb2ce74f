/** One thing that the Director told of, by the names of its fields. */
export type ConsoleRecord = Readonly<Record<string, string>>;

/** Reads the answer to `llist`: a block of `name: value` for each record, and an empty line after it. */
export function parseLongList(answer: string): readonly ConsoleRecord[] {
  return readBlocks(answer, /^\s*(\w+): ?(.*)$/);
}

/** Reads the answer to a `status` command after `.api 2`: blocks of `name=value`. */
export function parseStatus(answer: string): readonly ConsoleRecord[] {
  return readBlocks(answer, /^(\w+)=(.*)$/);
}

function readBlocks(answer: string, field: RegExp): readonly ConsoleRecord[] {
  const records: ConsoleRecord[] = [];
  for (const block of answer.split(/\n[ \t]*\n/)) {
    const fields = block.split("\n").flatMap((line) => {
      const [, name, value = ""] = field.exec(line) ?? [];
      return name === undefined ? [] : [[name, value.trim()] as const];
    });
    if (fields.length > 0) records.push(Object.fromEntries(fields));
  }
  return records;
}
