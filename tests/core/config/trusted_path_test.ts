import assert from "node:assert/strict";
import { pathFault } from "../../../core/config/trusted_path.ts";
import type { FileInfo } from "../../../core/sys/files.ts";

/** A path's kind, owner and mode; a link's target. */
type Node = { uid?: number; mode?: number; link?: string; file?: true };

/** Asks about a path in a tree of these; folders that are not named belong to root. */
function faultOf(path: string, tree: Readonly<Record<string, Node>>, uid = 0) {
  const nodes: Record<string, Node> = { "/": {}, ...tree };
  for (const name of Object.keys(tree)) {
    const parts = name.split("/").slice(1, -1);
    for (const index of parts.keys()) nodes[`/${parts.slice(0, index + 1).join("/")}`] ??= {};
  }
  return pathFault(
    {
      inspect(at) {
        const node = nodes[at];
        if (node === undefined) return Promise.resolve(undefined);
        const kind = node.link !== undefined ? "symlink" : node.file ? "file" : "directory";
        const mode = node.mode ?? (kind === "symlink" ? 0o777 : 0o755);
        return Promise.resolve({ kind, mode, uid: node.uid ?? 0 } as FileInfo);
      },
      readLink: (at) => Promise.resolve(nodes[at]?.link ?? ""),
    },
    path,
    uid,
  );
}

Deno.test("pathFault finds everyone who could change what a path leads to", async () => {
  const conf = "/opt/vmb/conf";
  const table: readonly (readonly [string, Readonly<Record<string, Node>>, string | undefined])[] =
    [
      ["all of root", { [conf]: { file: true, mode: 0o640 } }, undefined],
      ["not there", {}, undefined],
      ["not there, in a folder of another", { "/opt": { uid: 5 } }, '"/opt" belongs to user 5'],
      ["the file is another's", { [conf]: { file: true, uid: 7 } }, `"${conf}" belongs to user 7`],
      [
        "the group may write",
        { [conf]: { file: true, mode: 0o660 } },
        `"${conf}" can be written by others (mode 0660)`,
      ],
      [
        "everyone may write",
        { [conf]: { file: true, mode: 0o602 } },
        `"${conf}" can be written by others (mode 0602)`,
      ],
      [
        "its folder is open",
        { "/opt/vmb": { mode: 0o775 }, [conf]: { file: true } },
        '"/opt/vmb" can be written by others (mode 0775)',
      ],
      [
        "a folder above is another's",
        { "/opt": { uid: 9 }, [conf]: { file: true } },
        '"/opt" belongs to user 9',
      ],
      [
        "a sticky folder, as /tmp",
        { "/opt": { mode: 0o1777 }, [conf]: { file: true } },
        undefined,
      ],
      ["a sticky bit on a file helps nothing", { [conf]: { file: true, mode: 0o1666 } }, "can be"],
      [
        "the root folder is open",
        { "/": { mode: 0o777 }, [conf]: { file: true } },
        '"/" can be written by others',
      ],
      [
        "a link of root",
        { "/opt/vmb": { link: "../srv/vmb" }, "/srv/vmb/conf": { file: true } },
        undefined,
      ],
      [
        "a link of root to a folder of another",
        { "/opt/vmb": { link: "/srv/vmb" }, "/srv/vmb/conf": { file: true }, "/srv": { uid: 5 } },
        '"/srv" belongs to user 5',
      ],
      [
        "the link is another's",
        { "/opt/vmb": { link: "/srv/vmb", uid: 5 }, "/srv/vmb/conf": { file: true } },
        '"/opt/vmb" belongs to user 5',
      ],
      [
        "a link to a link in an open folder",
        {
          [conf]: { link: "/a/b" },
          "/a": { mode: 0o777 },
          "/a/b": { link: "/opt/real" },
          "/opt/real": { file: true },
        },
        '"/a" can be written by others',
      ],
      ["a circle of links", { [conf]: { link: "/x" }, "/x": { link: conf } }, "too many links"],
    ];
  for (const [what, tree, reason] of table) {
    const fault = await faultOf(conf, tree);
    if (reason === undefined) assert.equal(fault, undefined, what);
    else {
      assert.ok(fault?.reason.includes(reason), `${what}: ${fault?.reason}`);
      assert.match(fault?.hint ?? "", /^(Run: ch(own|mod)|Look at it)/, what);
    }
  }
});

Deno.test("pathFault takes what belongs to the user who runs it", async () => {
  const tree = { "/home/me": { uid: 1000 }, "/home/me/conf": { file: true, uid: 1000 } } as const;
  assert.equal(await faultOf("/home/me/conf", tree, 1000), undefined);
  assert.match((await faultOf("/home/me/conf", tree, 1001))?.reason ?? "", /root or 1001$/);
  assert.match((await faultOf("/home/me/conf", tree, 0))?.reason ?? "", /not to root$/);
});
