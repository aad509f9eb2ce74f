/** Words on a serial console after which a system is up, as getty(8) and systemd(1) write them. */
const bootedSigns = [
  /^.{0,80}\blogin: ?$/m,
  /Reached target .*\b(Multi-User System|Graphical Interface|Login Prompts)/,
  /Startup finished in /,
  /^Welcome to .*! *$(?=[\s\S]*Started .*Getty)/m,
];

/** Words after which a system will not come up by itself. */
const deadSigns = [
  /Kernel panic - not syncing.*/,
  /No bootable device.*/i,
  /Boot failed: not a bootable disk.*/i,
  /grub rescue>/,
  /You are in emergency mode.*/,
  /Entering emergency mode.*/,
  /Give root password for maintenance.*/,
  /ALERT! .* does not exist\. +Dropping to a shell!/,
  /dracut-initqueue.*: Warning: Could not boot\./,
  /BdsDxe: No bootable option or device was found.*/,
];

/** The words of a console that say the system is up. */
export function bootedSign(console: string, extra: readonly string[] = []): string | undefined {
  return firstMatch(console, [...extra.map((pattern) => new RegExp(pattern, "m")), ...bootedSigns]);
}

/** The words of a console that say it will not come up. */
export function deadSign(console: string): string | undefined {
  return firstMatch(console, deadSigns);
}

function firstMatch(console: string, patterns: readonly RegExp[]): string | undefined {
  const text = plainText(console);
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) return found.trim().slice(0, 200);
  }
  return undefined;
}

/** Without the escape sequences that colour a console, and with line feeds alone. */
export function plainText(console: string): string {
  // deno-lint-ignore no-control-regex
  return console.replace(/\x1b(\[[0-?]*[ -\/]*[@-~]|[()][A-Z0-9]|[=>78cDEHM])/g, "")
    .replace(/\r+\n?/g, "\n");
}
