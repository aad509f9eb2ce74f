import { runOk, systemProcesses } from "../../core/sys/process.ts";

/** A PostgreSQL of its own, with the database `bacula` as Bacula wants it. */
export interface Database extends AsyncDisposable {
  readonly port: number;
  /** What psql and scripts reach it by. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends it as a crash does; `start` brings it back on its port. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Makes a cluster in a folder that is not there yet, and starts it on a free port of 127.0.0.1. */
export async function openDatabase(folder: string, password: string): Promise<Database> {
  const programs = await newestPrograms();
  const user = Deno.uid() === 0 ? ["runuser", "-u", "postgres", "--"] as const : [] as const;
  const as = (program: string, ...args: readonly string[]) => {
    const [first = "", ...rest] = [...user, `${programs}/${program}`, ...args];
    return runOk(systemProcesses, [first, ...rest], { timeoutMs: 120_000 });
  };
  await Deno.mkdir(folder, { mode: 0o700 });
  if (user.length > 0) await runOk(systemProcesses, ["chown", "postgres:", folder]);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const data = `${folder}/data`;
  const passwordFile = `${folder}/password`;
  await Deno.writeTextFile(passwordFile, password);
  await as("initdb", "-D", data, "-U", "bacula", `--pwfile=${passwordFile}`, ...[
    ...["--auth=scram-sha-256", "--encoding=SQL_ASCII", "--locale=C", "--no-sync"],
  ]);
  const options = `-p ${port} -h 127.0.0.1 -k ${folder} -c fsync=off -c max_connections=20`;
  let running = false;
  const start = async () => {
    running = true;
    await as("pg_ctl", "-D", data, "-w", "-l", `${folder}/log`, "-o", options, "start");
  };
  await start();
  const environment = {
    PGHOST: "127.0.0.1",
    PGPORT: String(port),
    PGUSER: "bacula",
    PGPASSWORD: password,
  };
  try {
    await runOk(systemProcesses, [`${programs}/createdb`, "bacula"], { env: environment });
  } catch (error) {
    await stop();
    throw error;
  }

  async function stop(): Promise<void> {
    if (!running) return;
    running = false;
    await as("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop");
  }

  return { port, environment, stop, start, [Symbol.asyncDispose]: stop };
}

/** Folder of the programs of the newest PostgreSQL: Debian keeps them apart, others on the PATH. */
async function newestPrograms(): Promise<string> {
  const root = "/usr/lib/postgresql";
  const versions: number[] = [];
  try {
    for await (const { name } of Deno.readDir(root)) versions.push(Number(name));
  } catch {
    return "/usr/bin";
  }
  return `${root}/${Math.max(...versions)}/bin`;
}
