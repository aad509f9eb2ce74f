/** What becomes of a restored VM's network interfaces; a name is that of a libvirt network. */
export type RestoreNetwork =
  | { readonly kind: "keep" }
  | { readonly kind: "none" }
  | { readonly kind: "link-down" }
  /** On a libvirt network of ours that leads nowhere, and stays. */
  | { readonly kind: "isolated" }
  | { readonly kind: "network"; readonly name: string };

export interface RestoreRequest {
  readonly vm: string;
  /** Id of a backup, or `latest`. */
  readonly id: string;
  /** Name of a clone: a VM of its own, that can run beside the original. */
  readonly name: string | undefined;
  /** Takes the place of the VM that is there. */
  readonly replace: boolean;
  /** Folder for the disks; `undefined` for IMAGE_DIR, or for where those of a replaced VM lie. */
  readonly imageDir: string | undefined;
  readonly format: "keep" | "qcow2" | "raw";
  readonly network: RestoreNetwork;
  readonly start: boolean;
  /** Starts at once, on the images of the backup, and fills the local disks while the VM runs. */
  readonly instant: boolean;
  /** Someone answers for what the definition would use of this host. */
  readonly trustDefinition: boolean;
  /** A clone takes the disks that the backup left out along with the original. */
  readonly keepOtherDisks: boolean;
}

/** Reads the word of `--network`. */
export function parseNetwork(word: string): RestoreNetwork {
  switch (word) {
    case "keep":
    case "none":
    case "link-down":
    case "isolated":
      return { kind: word };
    default:
      return { kind: "network", name: word };
  }
}
