"""The table of faults, and the one in the docs that is made from it.

``python -m tests.faults.table docs/faults.md`` writes the tables into the file, each
between two comments that mark its place; ``make specification`` runs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.moments import (
    KILLED,
    STOPPED_AFTER_THE_ROUNDS,
    STOPPED_BEFORE_THE_ROUNDS,
    STOPPED_IN_THE_ROUNDS,
)
from train.hyperparameter_table import with_table

ROOT = Path(__file__).parent.parent.parent


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, and how it has to end.

    Attributes:
        fault: what happens, and when.
        end: the expected end. It is also the observed one if the test passes.
        test: its module below ``tests``, and its name.
    """

    fault: str
    end: str
    test: str

    @property
    def module(self) -> Path:
        """The file of the test."""
        module, _ = self.test.split("::")
        return Path("tests") / module

    @property
    def name(self) -> str:
        """The name of the test."""
        return self.test.partition("::")[2]


def at(moments: Iterable[str]) -> str:
    """Moments as the end of a sentence."""
    return "; ".join(moments)


SAME_MODEL = (
    "no model; the next run goes on from the checkpoint and writes the same bytes as "
    "an undisturbed one"
)
REASON = "exit code 1 and the reason"

TRAINING = (
    Row(
        f"SIGKILL {at(KILLED)}",
        SAME_MODEL,
        "faults/test_killed.py::test_a_job_that_is_killed_ends_with_the_same_model",
    ),
    Row(
        "SIGKILL at random moments of boosting",
        SAME_MODEL,
        "train/test_checkpoint.py::"
        "test_a_job_that_is_killed_at_random_ends_with_the_same_model",
    ),
    Row(
        "cut off in the middle of each file of the model; killed before the manifest "
        "gets its name",
        "no reader takes it for a model; the next run writes all of it",
        "faults/test_killed.py::test_a_model_is_none_before_all_of_it_is_written",
    ),
    Row(
        "SIGKILL after the manifest, before the job has reported its success",
        "the model is whole",
        "faults/test_killed.py::"
        "test_a_job_that_is_killed_after_its_model_leaves_all_of_it",
    ),
    Row(
        "the power fails when a checkpoint gets its name",
        "it is whole; the next run goes on from it and writes the same bytes as an "
        "undisturbed one",
        "faults/test_power.py::test_a_checkpoint_that_has_its_name_is_on_the_disk",
    ),
    Row(
        "the power fails when the manifest gets its name",
        "the model is whole",
        "faults/test_power.py::test_a_model_that_has_its_manifest_is_on_the_disk",
    ),
    Row(
        "the power fails when the evaluation, the predictions or the report get their "
        "names",
        "the file is whole",
        "faults/test_power.py::test_an_output_file_that_has_its_name_is_on_the_disk",
    ),
    Row(
        "the power fails when the job reports its success",
        "all files are whole and have their names",
        "faults/test_power.py::"
        "test_a_job_that_has_reported_success_has_all_on_the_disk",
    ),
    Row(
        "SIGKILL by the kernel because memory ran out",
        "the failure file says that memory most likely ran out",
        "faults/test_memory.py::test_a_job_that_the_kernel_kills_has_left_a_reason",
    ),
    Row(
        "SIGTERM before the job begins",
        "exit code 143 at once",
        "faults/test_stopped.py::test_a_stop_before_the_job_begins_ends_it_at_once",
    ),
    Row(
        f"SIGTERM {at(STOPPED_BEFORE_THE_ROUNDS)}",
        f"{REASON}; no model",
        "faults/test_stopped.py::"
        "test_a_stop_before_the_first_round_says_that_there_is_no_model",
    ),
    Row(
        f"SIGTERM {at(STOPPED_IN_THE_ROUNDS)}",
        "exit code 0 and a model of the rounds so far; the next run writes the same "
        "bytes as an undisturbed one",
        "faults/test_stopped.py::"
        "test_a_stop_in_the_rounds_keeps_a_model_and_the_next_run_completes_it",
    ),
    Row(
        f"SIGTERM {at(STOPPED_AFTER_THE_ROUNDS)}",
        "exit code 0 and the same bytes as without it",
        "faults/test_stopped.py::test_a_stop_after_the_rounds_changes_nothing",
    ),
    Row(
        "SIGTERM while the job waits for a pipe that nobody writes into",
        REASON,
        "faults/test_stopped.py::test_a_stop_ends_a_job_that_waits_for_a_pipe",
    ),
    Row(
        "SIGINT, as Ctrl-C sends it",
        REASON,
        "faults/test_stopped.py::test_an_interrupted_job_says_so",
    ),
    Row(
        "disk full while the model is written",
        f"{REASON}; no manifest, so no model",
        "faults/test_disks.py::"
        "test_a_disk_too_small_for_the_model_is_named_and_has_no_model",
    ),
    Row(
        "disk full while a checkpoint is written",
        f"{REASON}; the checkpoints before it are whole, and the next run goes on "
        "from them",
        "faults/test_disks.py::"
        "test_a_disk_too_small_for_checkpoints_is_named_and_keeps_whole_ones",
    ),
    Row(
        "disk full while the evaluation is written",
        f"{REASON}; no model",
        "faults/test_disks.py::"
        "test_a_disk_too_small_for_the_evaluation_is_named_and_there_is_no_model",
    ),
    Row(
        "disk full for the failure file too",
        "exit code 1, the reason in the log; no model",
        "faults/test_disks.py::"
        "test_a_disk_too_full_for_the_reason_leaves_it_in_the_log",
    ),
    Row(
        "disk full while the model to continue from is unpacked",
        REASON,
        "faults/test_disks.py::test_a_disk_too_small_to_unpack_a_model_is_named",
    ),
    Row(
        "disk full for the log",
        "exit code 0 and the same bytes as without it",
        "faults/test_disks.py::test_a_log_that_cannot_be_written_makes_no_difference",
    ),
    Row(
        "`/opt/ml/model` or `/opt/ml/output` is read-only",
        "exit code 1 and the reason before any work, with a read-only output in the "
        "log alone",
        "faults/test_disks.py::"
        "test_a_directory_that_cannot_be_written_is_named_before_any_work",
    ),
    Row(
        "`/opt/ml/checkpoints` is read-only",
        f"{REASON}, before the features of all rows are made",
        "faults/test_disks.py::"
        "test_checkpoints_that_cannot_be_written_are_named_before_the_rounds",
    ),
    Row(
        "`/opt/ml/input` is read-only, with the platform's configuration files or "
        "without",
        "exit code 0 and the same bytes as without it",
        "faults/test_disks.py::"
        "test_an_input_that_cannot_be_written_makes_no_difference",
    ),
    Row(
        "a limit on memory, reached while a file is read",
        f"{REASON}, which says that memory ran out",
        "faults/test_memory.py::test_memory_that_runs_out_is_the_reason",
    ),
    Row(
        "a limit on memory, reached anywhere",
        "a failure with a reason; no model; the next run writes the same bytes as an "
        "undisturbed one",
        "faults/test_memory.py::"
        "test_memory_that_runs_out_anywhere_leaves_a_reason_and_no_model",
    ),
    Row(
        "the model to continue from is forged, so that it crashes XGBoost",
        f"{REASON}; no model",
        "faults/test_forged.py::"
        "test_a_forged_model_to_go_on_from_ends_the_job_with_a_reason",
    ),
    Row(
        "the same in `model.tar.gz`",
        f"{REASON}; no model",
        "faults/test_forged.py::test_a_forged_model_in_an_archive_ends_it_too",
    ),
    Row(
        "checkpoints are forged, so that they crash XGBoost",
        "the log says so; the job goes on from an older one or begins anew, and writes "
        "the same bytes as an undisturbed one",
        "faults/test_forged.py::test_a_forged_checkpoint_is_passed_over",
    ),
    Row(
        "the clock jumps at every reading: to 1970, an hour back, a month and 150 "
        "years ahead",
        "exit code 0 and the same bytes as without it",
        "faults/test_clock.py::"
        "test_a_clock_that_jumps_changes_neither_the_job_nor_its_model",
    ),
)

HOSTS = (
    Row(
        "one of two hosts is killed in the rounds",
        "the other ends with exit code 1 and says which; the next run writes the same "
        "bytes as an undisturbed one",
        "train/test_cluster.py::"
        "test_a_host_that_dies_ends_the_others_and_the_job_resumes",
    ),
    Row(
        "one of two hosts stands still (SIGSTOP)",
        "the other ends with exit code 1 and says which, 30 s after the last sign of "
        "life and 10 s of grace",
        "faults/test_hosts.py::test_a_host_that_stands_still_ends_the_other",
    ),
    Row(
        "the network between two hosts is lost",
        "both end with exit code 1 and say which, within the same time; the next run "
        "writes the same bytes as an undisturbed one",
        "faults/test_hosts.py::"
        "test_a_lost_network_ends_both_hosts_and_the_next_run_goes_on",
    ),
    Row(
        "a host fails while the other stands still",
        "exit code 1 and the host's own reason, 30 s later at most",
        "faults/test_hosts.py::"
        "test_a_host_that_fails_does_not_wait_for_one_that_stands_still",
    ),
    Row(
        "a file of one host is broken",
        "all hosts end with exit code 1 and the same reason",
        "train/test_cluster.py::test_a_fault_in_one_hosts_file_is_every_hosts_reason",
    ),
    Row(
        "a host never comes",
        "the others end with a reason that names it, after 10 minutes",
        "train/test_watch.py::test_a_host_that_never_comes_is_named",
    ),
    Row(
        "one host gets SIGTERM",
        "all stop after the same round, with exit code 0 and a model",
        "train/test_cluster.py::test_a_stop_ends_all_hosts_after_the_same_round",
    ),
)

SERVING = (
    Row(
        "the model's files are overwritten, truncated or removed under a running "
        "server",
        "the same answers from the same workers",
        "faults/test_serving.py::"
        "test_files_that_change_under_a_server_change_no_answer",
    ),
    Row(
        "the clock jumps at every reading",
        "the same answers",
        "faults/test_serving.py::test_a_clock_that_jumps_changes_no_answer",
    ),
    Row(
        "disk full for the log",
        "the server answers, and replaces workers",
        "faults/test_serving.py::test_a_log_that_cannot_be_written_changes_no_answer",
    ),
    Row(
        "a worker is killed",
        "another takes its place; other workers and later requests aren't affected",
        "serve/test_main.py::test_a_worker_that_dies_is_replaced",
    ),
    Row(
        "the worker of a multi-model endpoint is killed",
        "its successor has the same models before it is asked",
        "serve/test_main.py::test_a_worker_that_dies_loses_no_model",
    ),
    Row(
        "the worker is killed while it loads a model",
        "nothing is left of the load; asked again, the model is loaded and answers",
        "serve/test_main.py::test_a_load_whose_worker_is_killed_leaves_nothing",
    ),
    Row(
        "a model whose booster crashes XGBoost is loaded by request",
        "400, and nothing else happens",
        "serve/test_main.py::test_a_forged_booster_is_refused_and_nothing_else_happens",
    ),
    Row(
        "SIGTERM while a model is loaded",
        "exit code 0",
        "serve/test_main.py::test_a_stop_during_a_load_is_clean",
    ),
    Row(
        "the files of a loaded model have changed when it is read again",
        "503 that says so, until the model is loaded anew",
        "serve/test_models.py::test_a_model_whose_files_have_changed_is_not_read_again",
    ),
    Row(
        "process 1 is killed",
        "its workers end",
        "serve/test_main.py::test_workers_end_with_the_supervisor",
    ),
    Row(
        "SIGTERM with requests in flight",
        "they are answered; exit code 0",
        "serve/test_main.py::test_a_stop_finishes_requests_in_flight",
    ),
    Row(
        "no model, or half of one",
        "exit code 1 and one line that says so, before the server listens",
        "serve/test_main.py::test_no_model_is_one_line",
    ),
)
CLIENTS = (
    Row(
        "40 clients declare 6 MiB and send 2 bytes",
        "other clients are answered meanwhile",
        "serve/test_connection.py::test_bodies_that_do_not_come_hold_nobody_up",
    ),
    Row(
        "a client sends half of a head",
        "it is answered with 408 and cut off",
        "serve/test_connection.py::"
        "test_a_client_that_does_not_finish_its_head_is_cut_off",
    ),
    Row(
        "a body stops, or comes too slowly",
        "408",
        "serve/test_connection.py::test_a_body_that_stops_is_408",
    ),
    Row(
        "a client hangs up in the middle of its body",
        "nothing of it stays",
        "serve/test_connection.py::"
        "test_a_truncated_body_gets_no_answer_and_harms_nobody",
    ),
    Row(
        "more connections than a worker may hold",
        "the one that has been idle for the longest gives way",
        "serve/test_connection.py::test_idle_clients_give_way_to_new_ones",
    ),
    Row(
        "no file descriptors are left",
        "the worker serves on, and doesn't spin",
        "serve/test_main.py::test_a_worker_with_few_file_descriptors_serves_on",
    ),
)

TABLES = {"training": TRAINING, "hosts": HOSTS, "serving": SERVING, "clients": CLIENTS}


def begin_of(name: str) -> str:
    """The comment before a table of this name."""
    return f"<!-- faults of {name}: made by make specification -->"


def table(rows: Iterable[Row]) -> str:
    """A Markdown table with a line for each fault."""
    lines = ["| fault | expected and observed end | test |", "|---|---|---|"]
    for row in rows:
        link = f"[`{row.name}`](../{row.module})"
        lines.append(f"| {row.fault} | {row.end} | {link} |")
    return "\n".join(lines)


def with_tables(text: str) -> str:
    """The same Markdown with all tables as they are declared here.

    Raises:
        ValueError: if there is no place for one.
    """
    for name, rows in TABLES.items():
        text = with_table(text, table(rows), begin_of(name))
    return text


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_tables(path.read_text()))
