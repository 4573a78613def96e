"""Writes contract.yaml from the last of `charts()`: `python -m tests.charts.write`."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from tests.charts.extract import relied_on
from tests.charts.rendering import CONTRACT, VALUES, charts, in_a_hub, render

HEAD = """\
# What Habari relies on of the chart, rendered with config.dist.yaml, kind/values.yaml and
# tests/charts/values.yaml. Generated: HABARI_CHART=… python -m tests.charts.write
"""


def main() -> None:
    rendered = render(charts()[-1], VALUES)
    with TemporaryDirectory() as folder, CONTRACT.open("w", encoding="utf-8") as file:
        file.write(HEAD)
        YAML().dump(relied_on(rendered, in_a_hub(rendered, Path(folder))), file)


if __name__ == "__main__":
    main()
