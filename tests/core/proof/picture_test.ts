import assert from "node:assert/strict";
import fc from "fast-check";
import {
  countColours,
  decodePicture,
  encodePng,
  type Picture,
} from "../../../core/proof/picture.ts";
import { temporaryFolder } from "../nbd/servers.ts";

const pictures = fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })).chain(
  ([width, height]) =>
    fc.uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((pixels): Picture => ({ width, height, pixels })),
);

Deno.test("decodePicture reads what encodePng wrote", () => {
  fc.assert(
    fc.property(pictures, (picture) => {
      const decoded = decodePicture(encodePng(picture));
      assert.deepEqual({ ...decoded }, { ...picture, pixels: decoded.pixels });
      assert.deepEqual([...decoded.pixels], [...picture.pixels]);
    }),
  );
});

Deno.test("decodePicture reads a PPM, and PNGs with every filter and colour type", async () => {
  const ppm = new TextEncoder().encode("P6\n# QEMU\n2 1\n255\n");
  assert.deepEqual(decodePicture(new Uint8Array([...ppm, 1, 2, 3, 4, 5, 6])), {
    width: 2,
    height: 1,
    pixels: new Uint8Array([1, 2, 3, 4, 5, 6]),
  });
  // A second implementation makes the pictures: Python's zlib by the letter of the specification.
  await using folder = await temporaryFolder();
  const script = `
import struct, sys, zlib
def chunk(t, d): return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
def paeth(a, b, c):
    p = a + b - c; pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c
width, height = 5, 6
for kind, n in {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.items():
    raw = [[(x * 37 + y * 11 + x * y) % (4 if kind == 3 else 256) for x in range(width * n)] for y in range(height)]
    data = b""
    for y, row in enumerate(raw):
        f = y % 5
        out = [f]
        for i, v in enumerate(row):
            a = row[i - n] if i >= n else 0
            b = raw[y - 1][i] if y else 0
            c = raw[y - 1][i - n] if y and i >= n else 0
            out.append((v - [0, a, b, (a + b) // 2, paeth(a, b, c)][f]) % 256)
        data += bytes(out)
    png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    if kind == 3: png += chunk(b"PLTE", bytes(range(12)))
    png += chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    open(sys.argv[1] + "/%d.png" % kind, "wb").write(png)
    rgb = []
    for row in raw:
        for x in range(width):
            s = row[x * n:x * n + n]
            rgb += [s[0] * 3, s[0] * 3 + 1, s[0] * 3 + 2] if kind == 3 else [s[0]] * 3 if kind in (0, 4) else s[:3]
    open(sys.argv[1] + "/%d.rgb" % kind, "wb").write(bytes(rgb))
`;
  const made = await new Deno.Command("python3", { args: ["-c", script, folder.path] }).output();
  assert.ok(made.success, new TextDecoder().decode(made.stderr));
  for (const kind of [0, 2, 3, 4, 6]) {
    const { width, height, pixels } = decodePicture(
      await Deno.readFile(`${folder.path}/${kind}.png`),
    );
    assert.deepEqual([width, height], [5, 6]);
    assert.deepEqual(
      [...pixels],
      [...await Deno.readFile(`${folder.path}/${kind}.rgb`)],
      `type ${kind}`,
    );
  }
});

Deno.test("decodePicture refuses anything else, and whatever is cut off", () => {
  const png = encodePng({ width: 3, height: 2, pixels: new Uint8Array(18) });
  const text = new TextEncoder().encode("P6 99999 99999 255 ");
  for (const bytes of [new Uint8Array(), text, png.subarray(0, 40), png.subarray(0, 20)]) {
    assert.throws(() => decodePicture(bytes), { code: "proof.picture" });
  }
  fc.assert(
    fc.property(fc.nat(png.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bytes = png.slice();
      bytes[at] = (bytes[at] ?? 0) ^ change;
      try {
        decodePicture(bytes);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "proof.picture");
      }
    }),
  );
});

Deno.test("countColours tells a blank screen from another", () => {
  const blank = { width: 2, height: 2, pixels: new Uint8Array(12).fill(7) };
  assert.equal(countColours(blank), 1);
  assert.equal(countColours({ ...blank, pixels: new Uint8Array([...Array(11).fill(7), 8]) }), 2);
});
