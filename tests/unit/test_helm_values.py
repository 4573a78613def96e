"""Where the chart comes from, and what it takes of values."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from habari_local.config.settings import Settings
from habari_local.core.errors import HabariError
from habari_local.helm_values import chart as where
from habari_local.helm_values.chart import chart_path, open_chart
from habari_local.helm_values.schema import check, messages
from habari_local.helm_values.validate import validate
from habari_local.helm_values.values import (
    BadValues,
    dotted,
    merge_layers,
    merge_over_defaults,
    parse,
    read,
)
from tests.programs import with_helm

TAKES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["hub"],
    "properties": {
        "hub": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "type": {"enum": [None, "NodePort", "ClusterIP"]},
                "port": {"type": ["integer", "null"]},
                "secret": {"type": "string", "pattern": "^[a-z]+$"},
                "labels": {
                    "type": "object",
                    "additionalProperties": False,
                    "patternProperties": {"^[a-z./]+$": {"type": "string"}},
                },
            },
        },
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A chart of two files and a schema."""
    chart = tmp_path / "small"
    chart.mkdir()
    (chart / "Chart.yaml").write_text("{apiVersion: v2, name: jupyterhub, version: 4.4.0}")
    (chart / "values.yaml").write_text("hub: {type: ClusterIP, port: 8081}\n")
    (chart / "values.schema.json").write_text(json.dumps(TAKES))
    return chart


@pytest.fixture
def archive(folder: Path) -> Path:
    path = folder.parent / "repository" / "jupyterhub-4.4.0.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as packed:
        packed.add(folder, "jupyterhub")
    return path


def written(tmp_path: Path, text: str, name: str = "values.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_chart_is_known_by_what_it_says_of_itself(folder: Path, archive: Path) -> None:
    (folder / "Chart.yaml").write_text("{name: something-else, version: 1.0.0}")
    assert open_chart(folder).title == "something-else 1.0.0"
    assert open_chart(archive).title == "jupyterhub 4.4.0"
    assert open_chart(archive).defaults() == {"hub": {"type": "ClusterIP", "port": 8081}}
    assert open_chart(archive).schema() == TAKES


@pytest.mark.parametrize("made", ["nothing", "empty folder", "no archive", "nameless"])
def test_what_is_no_chart_is_refused(tmp_path: Path, made: str) -> None:
    path = tmp_path / "chart"
    if made == "no archive":
        path.write_text("no archive")
    elif made != "nothing":
        path.mkdir()
    if made == "nameless":
        (path / "Chart.yaml").write_text("name: nameless")
    with pytest.raises(HabariError, match="a chart's folder or archive was expected"):
        chart_path(Settings(chart="chart"), tmp_path, {})


def test_a_chart_without_schema_says_how_to_make_it(folder: Path) -> None:
    (folder / "values.schema.json").unlink()
    with pytest.raises(HabariError) as caught:
        check(open_chart(folder), [])
    assert "generate-json-schema.py" in caught.value.hint


def test_a_chart_of_the_settings_is_seen_from_the_checkout(folder: Path) -> None:
    assert chart_path(Settings(chart="small"), folder.parent, {}) == folder
    assert chart_path(Settings(chart=str(folder)), Path("/"), {}) == folder


@pytest.fixture
def repository(archive: Path) -> Iterator[str]:
    """A chart repository with the one chart."""
    entry = "{apiVersion: v2, name: jupyterhub, version: 4.4.0, urls: [jupyterhub-4.4.0.tgz]}"
    index = f"apiVersion: v1\nentries:\n  jupyterhub:\n  - {entry}\n"
    (archive.parent / "index.yaml").write_text(index)
    handler = partial(SimpleHTTPRequestHandler, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_the_pinned_chart_is_got_once(
    repository: str, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "REPOSITORY", repository)
    environ = {**with_helm(), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    got = chart_path(Settings(), tmp_path, environ)
    assert open_chart(got).title == "jupyterhub 4.4.0"
    archive.unlink()
    assert chart_path(Settings(), tmp_path, environ) == got
    assert [each.name for each in got.parent.iterdir()] == ["jupyterhub-4.4.0.tgz"]


def test_offline_the_network_is_named_and_nothing_half_made_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "REPOSITORY", "http://127.0.0.1:9/charts/")
    environ = {**with_helm(), "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with pytest.raises(HabariError) as caught:
        chart_path(Settings(), tmp_path, environ)
    assert caught.value.hint.startswith("check the network")
    assert list(where.cache_dir(environ).iterdir()) == []


def test_every_problem_is_told_with_its_line_and_none_with_its_value(
    folder: Path, tmp_path: Path
) -> None:
    first = written(tmp_path, "hub:\n  port: s3cret\n  secret: S3CRET\n  prot: 1\n", "first.yaml")
    second = written(tmp_path, "hub:\n  labels:\n    a.b/c: 3\n    A: s3cret\n  type: s3cret\n")
    assert messages(open_chart(folder), [first, second], tmp_path) == [
        "first.yaml:2: hub.port: text, a whole number or nothing was expected",
        "first.yaml:3: hub.secret: does not fit the schema's pattern ^[a-z]+$",
        "first.yaml:4: hub.prot: no such name, did you mean port?",
        'values.yaml:3: hub.labels."a.b/c": a whole number, text was expected',
        "values.yaml:4: hub.labels.A: no such name",
        "values.yaml:5: hub.type: none of what is possible: nothing, NodePort or ClusterIP",
    ]


def test_a_later_layer_mends_an_earlier_one_and_is_blamed_for_what_it_breaks(
    folder: Path, tmp_path: Path
) -> None:
    good = written(tmp_path, "hub: {port: 1}\n", "good.yaml")
    bad = written(tmp_path, "# a line\nhub: {port: x}\n", "bad.yaml")
    assert messages(open_chart(folder), [bad, good], tmp_path) == []
    (told,) = messages(open_chart(folder), [good, bad], tmp_path)
    assert told.startswith("bad.yaml:2: hub.port: ")


def test_null_takes_away_what_the_chart_has(folder: Path, tmp_path: Path) -> None:
    (told,) = messages(open_chart(folder), [written(tmp_path, "hub:\n")], tmp_path)
    assert told == "the chart's own values: values: missing: hub"


def test_files_that_cannot_be_read_are_all_told(folder: Path, tmp_path: Path) -> None:
    files = [
        written(tmp_path, "hub:\n  port: [1\n", "open.yaml"),
        written(tmp_path, "hub: 1\nproxy: *no\n", "alias.yaml"),
        written(tmp_path, "- hub\n", "list.yaml"),
        tmp_path / "absent.yaml",
    ]
    told = messages(open_chart(folder), files, tmp_path)
    assert [each.partition(" ")[0] for each in told] == [
        "open.yaml:3:", "alias.yaml:2:", "list.yaml:1:", "absent.yaml:1:"
    ]  # fmt: skip


def test_of_a_name_that_stands_twice_the_last_counts_as_for_helm(tmp_path: Path) -> None:
    path = written(tmp_path, "hub: {token: s3cret}\nhub: {a: 1}\n---\nb: 2\n")
    found = read(path, "it")
    assert (found.data, found.lines[("hub", "a")]) == ({"hub": {"a": 1}}, 2)
    assert ("hub", "token") not in found.lines
    warned = [str(each) for each in validate([path], tmp_path, None, tmp_path) if each.warning]
    assert warned == [
        f"{path.name}:2: hub: warning: stands here a second time, and only this one counts",
        f"{path.name}:3: warning: another document begins, which helm does not read",
    ]


def test_what_would_never_end_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 10_000_000)
    rows = [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    bomb = written(tmp_path, "\n".join(["a0: &a0 [1, 1]", *rows]), "bomb.yaml")
    deep = written(tmp_path, "a: " + "[" * 5000, "deep.yaml")
    for path, seen in (
        (large, "10.0 MB"),
        (bomb, "by aliases"),
        (deep, "nest"),
    ):
        with pytest.raises(BadValues, match=seen):
            read(path)
    with pytest.raises(BadValues, match="a folder"):
        read(tmp_path)


def test_an_emptied_map_is_told_where_templates_look_into_it(tmp_path: Path) -> None:
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("{name: jupyterhub, version: 4.4.0}")
    (chart / "values.yaml").write_text(
        "{hub: {db: {pvc: {size: 1}}, labels: {}}, tls: {key: {a: 1}}}"
    )
    (chart / "values.schema.json").write_text("{}")
    (chart / "templates" / "hub.yaml").write_text("a: {{ .Values.hub.db.pvc.size }}")
    condition = (
        "{{- $on := .Values.tls.on }}\n{{- if $on }}\nb: {{ .Values.tls.key.a }}\n{{- end }}"
    )
    (chart / "templates" / "tls.yaml").write_text(condition)
    values = "hub:\n  labels:\n  db:\n    pvc:\ntls:\n  key:\n"
    found = [each for each in validate([written(tmp_path, values)], tmp_path, open_chart(chart))
             if each.rule == "emptied"]  # fmt: skip
    assert [(each.line, each.place, each.warning) for each in found] == [
        (4, "hub.db.pvc", False), (6, "tls.key", True)
    ]  # fmt: skip
    archive = tmp_path / "chart.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(chart, "jupyterhub")
    assert open_chart(archive).templates() == open_chart(chart).templates()


def test_check_raises_all_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(HabariError, match=r"jupyterhub 4\.4\.0: 2 problems found") as caught:
        check(open_chart(folder), [written(tmp_path, "hub: {a: 1, b: 2}\n")], tmp_path)
    assert len(caught.value.details) == 2
    assert caught.value.code == 2


def test_values_are_read_as_helm_reads_them() -> None:
    text = "on: yes\n7: 0o17\nday: 2026-11-24\nlong: |\n  # no comment\n  x\nkept: &a {b: 1.5}\n"
    found = parse(f"{text}again: *a\n", "it")
    assert found.data == {
        "true": True,
        "7": 15,
        "day": "2026-11-24",
        "long": "# no comment\nx\n",
        "kept": {"b": 1.5},
        "again": {"b": 1.5},
    }
    assert found.lines[("long",)] == 4
    assert all(type(each) in (bool, int, str, dict) for each in found.data.values())
    with pytest.raises(BadValues, match=r"^it:3: "):
        parse("a: 1\nb: 'x\n", "it")


def test_layers_are_laid_as_helm_lays_them() -> None:
    first = {"a": {"x": 1, "y": [1, 2]}, "b": 1, "c": {"d": 1}}
    second = {"a": {"y": [3], "z": None}, "b": {"deep": 1}, "c": None}
    assert merge_layers([first, second]) == {
        "a": {"x": 1, "y": [3], "z": None}, "b": {"deep": 1}, "c": None
    }  # fmt: skip
    chart = {"a": {"x": 0, "z": 5, "w": 6}, "c": {"e": 1}, "f": 7}
    assert merge_over_defaults(chart, merge_layers([first, second])) == {
        "a": {"x": 1, "y": [3], "w": 6}, "b": {"deep": 1}, "f": 7
    }  # fmt: skip
    assert first["a"] == {"x": 1, "y": [1, 2]}


def test_places_are_written_as_people_write_them() -> None:
    assert dotted(("hub", "ports", 0, "a.b/c", "d")) == 'hub.ports[0]."a.b/c".d'
