/** One disk at the captured instant, served read-only over NBD. */
export interface DiskExport {
  /** The guest's name of the disk: `vda`. */
  readonly target: string;
  readonly socketPath: string;
  readonly exportName: string;
}
