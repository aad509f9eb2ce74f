import type { Site } from "../config/site.ts";
import type { VmEntry } from "../config/vm_list.ts";
import { proofName } from "../proof/proofs.ts";
import { checksumsName, manifestName, vmFolder } from "../repository/layout.ts";
import { resourceNames, testRestoreJobName, vmJobName } from "./names.ts";
import { type Line, type Resource, syntax } from "./resource.ts";

/**
 * What describes the backups of a VM: manifests, checksums and the XML of the domain, and never an image.
 *
 * The folder of the VM is walked, because a FileSet cannot name files that are not there yet; patterns never
 * have the name of the VM in them, where `*` or `[` would mean something.
 */
export function vmFileSet(site: Pick<Site, "nfs">, vm: VmEntry): Resource {
  const folder = vmFolder({ root: site.nfs.mount, hypervisor: vm.hypervisor, vm: vm.name });
  return onlyFiles(vmJobName(vm.name), folder, [
    `*/${manifestName}`,
    `*/${checksumsName}`,
    "*.xml",
  ]);
}

/** The verdicts of test restores of all VMs of a hypervisor. */
export function proofFileSet(site: Pick<Site, "nfs">, hypervisor: string): Resource {
  const folder = `${site.nfs.mount}/${hypervisor}`;
  return onlyFiles(testRestoreJobName(hypervisor), folder, [`*.proofs/*/${proofName}`]);
}

/** All of a folder. */
export function wholeFolder(name: string, folder: string): Resource {
  return fileSet(name, [{ kind: "Options", lines: [...storing] }, ["File", folder]]);
}

/** A FileSet for jobs that have none to read: Bacula wants one all the same. */
export function noFileSet(): Resource {
  return wholeFolder(resourceNames.noFiles, "/dev/null");
}

const storing: readonly Line[] = [
  ["Signature", syntax("SHA256")],
  ["Compression", syntax("GZIP")],
];

/** The first Options that match a file decide; folders match none of the first and are entered. */
function onlyFiles(name: string, folder: string, patterns: readonly string[]): Resource {
  return fileSet(name, [
    {
      kind: "Options",
      lines: [
        ...storing,
        ...patterns.map((pattern): Line => ["Wild File", pattern]),
      ],
    },
    {
      kind: "Options",
      lines: [
        ["Exclude", true],
        // A backup that is being written may lose its files while they are read.
        ["Wild Dir", "*/.????-??-??-??????.partial"],
        ["Wild File", "*"],
      ],
    },
    ["File", folder],
  ]);
}

function fileSet(name: string, include: readonly Line[]): Resource {
  return {
    kind: "FileSet",
    lines: [
      ["Name", name],
      // A changed FileSet would turn the next incremental backup into a full one.
      ["Ignore FileSet Changes", true],
      { kind: "Include", lines: include },
    ],
  };
}
