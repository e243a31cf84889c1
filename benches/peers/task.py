"""What every peer's script is told: the columns of the sample, and its arguments."""

import sys

COLUMNS = {
    "item_id": "string",
    "date": "timestamp",
    "store": "string",
    "p10": "double",
    "p50": "double",
    "p90": "double",
}
TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
THREADS = 2
ROW_GROUP_ROWS = 262_144
ZSTD_LEVEL = 3


def arguments():
    """FROM TO CODEC OUTPUT PART...: formats, the codec of Parquet, the file to write, the parts in order."""
    source, target, codec, output, *parts = sys.argv[1:]
    return source, target, codec, output, parts
