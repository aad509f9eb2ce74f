/** The five services of the control VM: units, containers and DNS names alike. */
export const services = [
  "vmb-postgres",
  "vmb-director",
  "vmb-storage",
  "vmb-api",
  "vmb-web",
] as const;

export type ServiceName = (typeof services)[number];
