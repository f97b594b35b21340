"""Reads each dashboard with Grafana's own models and writes it again: prints the files that are not the same afterwards."""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

register_default_plugins()
differs = []
for path in sys.argv[1:]:
    with open(path) as file:
        text = file.read()
    again = json.dumps(Dashboard.from_json(json.loads(text)), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
    if again != text:
        differs.append(path)
print("\n".join(differs))
sys.exit(1 if differs else 0)
