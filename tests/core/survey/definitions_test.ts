import assert from "node:assert/strict";
import { definitionDifferences } from "../../../core/survey/definitions.ts";
import { domainXml, fileDisk } from "./fake_domain.ts";

const vda = fileDisk("vda", "/a.qcow2");
const vdb = fileDisk("vdb", "/b.qcow2");
const iso = "<disk type='file' device='cdrom'><source file='/x.iso'/><target dev='sda'/></disk>";
const volume = (name: string) =>
  `<disk type='volume'><driver name='qemu' type='qcow2'/><source pool='p' volume='${name}'/><target dev='vdc'/></disk>`;

Deno.test("definitionDifferences names each disk that a running domain has otherwise than its next start", () => {
  const table: readonly [definition: string, live: string, expected: readonly RegExp[]][] = [
    [vda + vdb, vdb + vda, []],
    [vda, vda + vdb, [/^disk vdb \("\/b\.qcow2"\) is attached to the running VM alone/]],
    [vda + vdb, vda, [/^disk vdb \("\/b\.qcow2"\) comes with the next start/]],
    [fileDisk("vda", "/new.qcow2"), vda, [/"\/a\.qcow2" \(qcow2\) now, .* "\/new\.qcow2"/]],
    [fileDisk("vda", "/a.qcow2", "raw"), vda, [/\(qcow2\) now, .* \(raw\)$/]],
    [volume("one"), volume("two"), [/"p\/two" .* now, .*"p\/one"/]],
    [volume("one"), volume("one"), []],
    [vda + iso, vda, []],
    [vda, vda.replace("file='/a.qcow2'", "file='/a.qcow2' index='3'"), []],
  ];
  for (const [definition, live, expected] of table) {
    const found = definitionDifferences(domainXml(definition), domainXml(live));
    assert.equal(found.length, expected.length, found.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? "", pattern);
  }
});
