/** A disk of a definition, and the local image that it gets. */
export interface RewrittenDisk {
  readonly path: string;
  readonly format: "qcow2" | "raw";
}

export type RewrittenNetwork =
  | { readonly kind: "keep" }
  /** Without any interface. */
  | { readonly kind: "none" }
  /** As it was, each with its cable pulled. */
  | { readonly kind: "link-down" }
  /** Every interface on one libvirt network. */
  | { readonly kind: "network"; readonly name: string };

/** What becomes of a domain's XML. */
export interface DomainRewrite {
  readonly name: string;
  readonly uuid: string;
  /** A random address (52:54:00:xx:xx:xx) for each interface, so that it can run beside the original. */
  readonly newMacs: boolean;
  /** By disk target: becomes a file, without backing images, block jobs, encryption and credentials. */
  readonly disks: ReadonlyMap<string, RewrittenDisk>;
  /**
   * Disks that are not in `disks`: left as they are; or removable drives emptied and all others removed; or all
   * removed.
   */
  readonly otherDisks: "keep" | "remove-media" | "remove";
  /** Removable drives whose medium is taken out in any case, by target. */
  readonly emptyDrives?: ReadonlySet<string>;
  /** Path of the UEFI variable store; without one, libvirt picks a path by the name. */
  readonly nvram: string | undefined;
  /** Folder of the emulated TPM's state; without one, libvirt picks it by the UUID. */
  readonly tpmSource?: string | undefined;
  readonly network: RewrittenNetwork;
  /** Serial ports and channels leave the files, sockets and ports of the host that they were on. */
  readonly closeCharacterDevices?: boolean;
}
