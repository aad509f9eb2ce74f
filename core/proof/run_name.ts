/** What the names of all that a test restore makes begin with: runs, domains, networks. */
export const testRunPrefix = "vmb-test-";
