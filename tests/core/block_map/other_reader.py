"""Recomputes a block map and its content digest from a raw disk, knowing docs/format.md and nothing of vmb.

usage: other_reader.py DISK MAP     prints the content digest; ends with 1 when the map is another one
"""

import hashlib
import struct
import sys

import xxhash

CLUSTER = 65536
SEGMENT = 8192
ZEROS = bytes(CLUSTER)


def block_map(disk, size, seed):
    header = struct.pack(">8sIIQIIQ24x", b"VMBBLKMP", 2, 16, size, 2, 0, seed)
    clusters = -(-size // CLUSTER)
    segments = -(-clusters // SEGMENT)
    records, entries, total = [], [], 0
    for segment in range(segments):
        bitmap, digests = bytearray(SEGMENT // 8), []
        for index in range(min(SEGMENT, clusters - segment * SEGMENT)):
            data = disk.read(CLUSTER).ljust(CLUSTER, b"\0")
            if data != ZEROS:
                bitmap[index >> 3] |= 1 << (index & 7)
                digests.append(xxhash.xxh3_128(data, seed=seed).digest())
        if not digests:
            entries.append(bytes(40))
            continue
        record = struct.pack(">QQ", segment, len(digests)) + bitmap + b"".join(digests)
        records.append(record)
        entries.append(struct.pack(">Q", len(digests)) + hashlib.sha256(record).digest())
        total += len(digests)
    table = struct.pack(">8sQQ8x", b"VMBBLKTB", segments, total) + b"".join(entries)
    return header, records, table


disk_path, map_path = sys.argv[1:]
with open(map_path, "rb") as file:
    found = file.read()
size, seed = struct.unpack_from(">16xQ8xQ", found)
with open(disk_path, "rb") as disk:
    header, records, table = block_map(disk, size, seed)
print(hashlib.sha256(header + table).hexdigest())
sys.exit(found != header + b"".join(records) + table)
