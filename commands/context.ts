import type { Configuration, SettingFlags } from "../core/config/configuration.ts";
import type { Report } from "../core/event.ts";
import type { System } from "../core/sys/system.ts";
import type { Terminal } from "../core/sys/terminal.ts";

/** What a command gets from main.ts. */
export interface CommandContext {
  readonly system: System;
  readonly terminal: Terminal;
  readonly version: string;
  /** Aborts when the process is asked to stop. */
  readonly signal: AbortSignal;
  /**
   * From here on a signal does not end the command at once: it undoes what it began, and ends by itself.
   *
   * @param meanwhile what it does then, as the person who stopped it is told
   */
  shield(meanwhile?: string): void;
  /** Loads the configuration, when a command first asks for it. */
  configuration(flags?: SettingFlags): Promise<Configuration>;
  /** Shows events as the second stream wants them. */
  readonly report: Report;
  /** Prints a result: text for people, or the value as one JSON document. */
  result(json: boolean | undefined, value: unknown, text: () => string): void;
}
