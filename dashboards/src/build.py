"""Builds every board: `python3 build.py FOLDER` writes a JSON file for each into that folder.

Run by `cargo xtask dashboards`, which has the pinned builders; a test fails where the files beside this folder differ.
"""

import json
import pathlib
import sys

import control_plane
import deliveries
import fleet
import rotation
import secret
from grafana_foundation_sdk.cog.encoder import JSONEncoder

FILES = {
    "fleet": fleet, "deliveries": deliveries, "secret": secret, "rotation": rotation, "control-plane": control_plane,
}


def text(value):
    return json.dumps(value, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main(folder):
    for name, module in FILES.items():
        board = module.build().build()
        # Numbered as they stand, so that a link to a panel leads to the same one after a build.
        for number, panel in enumerate(board.panels, start=1):
            panel.id_val = number
        (pathlib.Path(folder) / f"{name}.json").write_text(text(board))


if __name__ == "__main__":
    main(sys.argv[1])
