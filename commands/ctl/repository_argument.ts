/** The folder of a control VM's repository, without slashes at its end. */
export function repositoryArgument(folder: string): string {
  return folder.replace(/(?<=.)\/+$/, "");
}

/** Where a repository keeps what was rendered of it, to be committed and reviewed. */
export function renderedFolder(repository: string): string {
  return `${repository}/rendered`;
}
