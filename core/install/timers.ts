import recoverService from "../../templates/hv/vmb-recover.service" with { type: "text" };
import recoverTimer from "../../templates/hv/vmb-recover.timer" with { type: "text" };
import testRestoreService from "../../templates/hv/vmb-test-restore.service" with { type: "text" };
import testRestoreTimer from "../../templates/hv/vmb-test-restore.timer" with { type: "text" };
import verifyService from "../../templates/hv/vmb-verify.service" with { type: "text" };
import verifyTimer from "../../templates/hv/vmb-verify.timer" with { type: "text" };
import { exitCodes, VmbError } from "../error.ts";
import { places } from "./places.ts";

const texts = {
  recover: { service: recoverService, timer: recoverTimer },
  verify: { service: verifyService, timer: verifyTimer },
  "test-restore": { service: testRestoreService, timer: testRestoreTimer },
} as const;

/** A timer of systemd, which starts the service of the same name. */
export type TimerName = keyof typeof texts;

export const timerNames = Object.keys(texts) as readonly TimerName[];

/** Timers that only some machines want; `recover` is always there. */
export const optionalTimers = timerNames.filter((name) => name !== "recover");

export function timerPaths(name: TimerName) {
  const unit = `vmb-${name}`;
  return {
    unit: `${unit}.timer`,
    service: `${places.units}/${unit}.service`,
    timer: `${places.units}/${unit}.timer`,
    /** The link that `systemctl enable` makes. */
    enabled: `${places.units}/timers.target.wants/${unit}.timer`,
  } as const;
}

export function timerUnits(
  name: TimerName,
): readonly { readonly path: string; readonly content: string }[] {
  const { service, timer } = timerPaths(name);
  return [
    { path: service, content: texts[name].service },
    { path: timer, content: texts[name].timer },
  ];
}

/**
 * Reads a list of optional timers, separated by commas: `verify,test-restore`, or `none`.
 *
 * @throws {VmbError} `usage.timers`
 */
export function parseTimers(text: string): readonly TimerName[] {
  const words = text === "none" ? [] : text.split(",").map((word) => word.trim());
  const unknown = words.find((word) => !optionalTimers.some((name) => name === word));
  if (unknown !== undefined) {
    throw new VmbError(
      `Cannot use "${unknown}" as a timer: expected ${optionalTimers.join(", ")}`,
      {
        code: "usage.timers",
        exit: exitCodes.usage,
        hint: "Separate several by commas; none is for none of them",
      },
    );
  }
  return timerNames.filter((name) => words.includes(name));
}
