from __future__ import annotations

from pathlib import Path

from tests.launcher.commands.conftest import REPORT, output_archive, store_outputs
from tests.launcher.conftest import AwsServer, Launcher


def test_the_report_of_a_job_is_fetched_and_opened(
    launcher: Launcher, trained: str, opened: Path
) -> None:
    result = launcher("report", trained)
    assert result.code == 0, result.err
    path = Path(result.out.strip())
    assert path == Path(f"{trained}-report.html")
    assert path.read_text() == REPORT
    assert opened.read_text() == path.resolve().as_uri()


def test_the_newest_report_goes_where_it_is_told_to(
    launcher: Launcher, trained: str, opened: Path
) -> None:
    result = launcher("report", "--no-open", "-o", "mine.html", "--json")
    assert result.json == {"training_job": trained, "report": "mine.html"}
    assert Path("mine.html").read_text() == REPORT
    assert not opened.exists()


def test_a_job_without_a_report_is_said(
    launcher: Launcher, aws: AwsServer, trained: str, opened: Path
) -> None:
    store_outputs(aws, trained, output_archive(report=None))
    result = launcher("report", trained)
    assert result.code == 1
    assert "has no report.html" in result.err
    assert not opened.exists()


def test_an_absent_job_is_said(launcher: Launcher) -> None:
    result = launcher("report", "absent")
    assert result.err == (
        "launcher: there is no training job absent: `launcher status` lists ours\n"
    )
