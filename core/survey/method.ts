/** A way to capture a point in time; `auto` takes the best one that the domain's state allows. */
export type Method = "auto" | "quiesce" | "snapshot" | "offline";

export const methods = [
  "auto",
  "quiesce",
  "snapshot",
  "offline",
] as const satisfies readonly Method[];
