"""Notebooks in real processes, without Spark: cells, parameters, results, errors."""

from __future__ import annotations

import json

import pytest

from tests.unit.sandbox.databricks.harness import Workspace


def test_the_exit_value_is_the_result(workspace: Workspace) -> None:
    run, output = workspace.run("dbutils.notebook.exit('17 rows')")
    assert run["state"]["life_cycle_state"] == "TERMINATED"
    assert run["state"]["result_state"] == "SUCCESS"
    assert output["notebook_output"] == {"result": "17 rows", "truncated": False}
    assert "error" not in output


def test_exit_ends_the_notebook_even_inside_try(workspace: Workspace) -> None:
    cells = ("try:\n    dbutils.notebook.exit('first')\nexcept Exception:\n    pass\nprint('not reached')", "1 / 0")
    assert workspace.result(*cells) == "first"


def test_without_exit_there_is_no_result(workspace: Workspace) -> None:
    _, output = workspace.run("x = 1")
    assert output["notebook_output"] == {"truncated": False}


def test_cells_share_their_names(workspace: Workspace) -> None:
    assert workspace.result("x = 20", "def twice(n): return n * 2", "dbutils.notebook.exit(twice(x) + 2)") == "42"


def test_an_exit_value_that_is_not_a_text_is_written_out(workspace: Workspace) -> None:
    assert workspace.result("dbutils.notebook.exit({'a': 1})") == "{'a': 1}"


class TestParameters:
    def test_they_win_over_the_default_of_a_widget(self, workspace: Workspace) -> None:
        cell = "dbutils.widgets.text('table', 'pin')\ndbutils.notebook.exit(dbutils.widgets.get('table'))"
        assert workspace.result(cell) == "pin"
        assert workspace.result(cell, parameters={"table": "geo"}) == "geo"

    def test_they_are_there_without_a_widget(self, workspace: Workspace) -> None:
        assert workspace.result("dbutils.notebook.exit(dbutils.widgets.get('day'))", parameters={"day": "1"}) == "1"

    def test_get_all_gives_defaults_and_parameters(self, workspace: Workspace) -> None:
        cell = (
            "import json\ndbutils.widgets.dropdown('a', 'x', ['x', 'y'])\ndbutils.widgets.combobox('b', 'p', ['p'])\n"
            "dbutils.widgets.multiselect('c', 'm', ['m', 'n'])\n"
            "dbutils.notebook.exit(json.dumps(dbutils.widgets.getAll()))"
        )
        found = json.loads(workspace.result(cell, parameters={"b": "q", "extra": "e"}))
        assert found == {"a": "x", "b": "q", "c": "m", "extra": "e"}

    def test_an_unknown_name_raises(self, workspace: Workspace) -> None:
        output = workspace.failure("dbutils.widgets.get('nope')")
        assert output["error"].startswith("InputWidgetNotDefined: No input widget named nope is defined")

    def test_a_removed_widget_is_gone(self, workspace: Workspace) -> None:
        output = workspace.failure(
            "dbutils.widgets.text('a', '1')\ndbutils.widgets.remove('a')\ndbutils.widgets.get('a')"
        )
        assert "No input widget named a is defined" in output["error"]

    def test_a_default_must_be_one_of_the_choices(self, workspace: Workspace) -> None:
        output = workspace.failure("dbutils.widgets.dropdown('a', 'z', ['x', 'y'])")
        assert "'z'" in output["error"]
        assert "['x', 'y']" in output["error"]

    def test_values_that_are_not_texts_become_texts(self, workspace: Workspace) -> None:
        path = workspace.notebook("dbutils.notebook.exit(repr(dbutils.widgets.get('n')))")
        answer = workspace.call(
            "POST", "2.2/jobs/runs/submit", notebook_task={"notebook_path": path, "base_parameters": {"n": 5}}
        )
        workspace.wait(answer["run_id"])
        assert workspace.output(answer["run_id"])["notebook_output"]["result"] == "'5'"


class TestErrors:
    def test_error_and_trace_name_cell_and_line(self, workspace: Workspace) -> None:
        output = workspace.failure("# a comment\nx = 1", "def f():\n    raise ValueError('boom pin')", "y = 2\nf()")
        assert output["error"] == "ValueError: boom pin"
        trace = output["error_trace"].splitlines()
        assert trace[0] == "Traceback (most recent call last):"
        assert trace[1] == '  File "/Shared/test/notebook", line 13, in <cell 3>'
        assert trace[2] == "    f()"
        assert '  File "/Shared/test/notebook", line 8, in f' in trace
        assert trace[-1] == "ValueError: boom pin"

    def test_frames_of_the_runner_are_left_out(self, workspace: Workspace) -> None:
        assert "sandbox/databricks" not in workspace.failure("1 / 0")["error_trace"]

    def test_the_state_message_is_that_of_databricks(self, workspace: Workspace) -> None:
        run, _ = workspace.run("1 / 0")
        assert run["state"]["state_message"] == "Workload failed, see run output for details"

    def test_a_syntax_error_names_file_and_line_and_runs_the_cells_before(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook("print('before')", "x = 1\ny = = 2"))
        run = workspace.wait(run_id)
        assert run["state"]["result_state"] == "FAILED"
        output = workspace.output(run_id)
        assert output["error"] == "SyntaxError: invalid syntax (/Shared/test/notebook, line 7)"
        assert "y = = 2" in output["error_trace"]
        assert "before" in workspace.page(run_id)

    def test_a_cause_is_shown_too(self, workspace: Workspace) -> None:
        trace = workspace.failure("try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('no k') from e")[
            "error_trace"
        ]
        assert "KeyError: 'k'" in trace
        assert "direct cause" in trace
        assert trace.endswith("RuntimeError: no k\n")

    def test_system_exit_is_a_failure(self, workspace: Workspace) -> None:
        assert workspace.failure("import sys\nsys.exit(3)")["error"] == "SystemExit: 3"

    def test_later_cells_do_not_run(self, workspace: Workspace) -> None:
        run_id = workspace.submit(workspace.notebook("1 / 0", "print('later' + 'on')"))
        workspace.wait(run_id)
        assert "lateron" not in workspace.page(run_id)

    def test_a_process_that_kills_itself_is_an_internal_error(self, workspace: Workspace) -> None:
        run, output = workspace.run("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
        assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
        assert run["state"]["result_state"] == "FAILED"
        assert "SIGKILL" in run["state"]["state_message"]
        assert "SIGKILL" in output["error"]

    def test_a_notebook_that_is_not_utf8_is_a_failed_run(self, workspace: Workspace) -> None:
        path = workspace.notebook("pass")
        (workspace.data / "workspace" / path[1:]).write_bytes(b"# Databricks notebook source\nx = '\xff'")
        run_id = workspace.submit(path)
        assert workspace.wait(run_id)["state"]["result_state"] == "FAILED"
        assert "/Shared/test/notebook is not UTF-8" in workspace.output(run_id)["error"]

    def test_an_empty_notebook_succeeds(self, workspace: Workspace) -> None:
        workspace.put("/Shared/test/empty", "")
        run = workspace.wait(workspace.submit("/Shared/test/empty"))
        assert run["state"]["result_state"] == "SUCCESS"

    def test_a_missing_notebook_is_a_failed_run(self, workspace: Workspace) -> None:
        run_id = workspace.submit("/Shared/none")
        run = workspace.wait(run_id)
        assert run["state"]["result_state"] == "FAILED"
        assert "Unable to access the notebook '/Shared/none'" in workspace.output(run_id)["error"]

    def test_the_many_good_ones_run_beside_two_bad_ones(self, workspace: Workspace) -> None:
        texts = [f"dbutils.notebook.exit({number})" for number in range(4)] + ["def broken(:", "print 'two'"]
        paths = [workspace.notebook(text, path=f"/Shared/test/n{index}") for index, text in enumerate(texts)]
        runs = [workspace.wait(run_id) for run_id in [workspace.submit(path) for path in paths]]
        assert [run["state"]["result_state"] for run in runs] == ["SUCCESS"] * 4 + ["FAILED"] * 2


class TestMagics:
    def test_run_shares_the_namespace(self, workspace: Workspace) -> None:
        workspace.notebook("shared = 41", path="/Shared/test/common")
        assert workspace.result("# MAGIC %run ./common", "dbutils.notebook.exit(shared + 1)") == "42"

    @pytest.mark.parametrize(
        "line",
        [
            "../lib/1. Imports and Common Functions",
            '"../lib/1. Imports and Common Functions"',
            "'../lib/1. Imports and Common Functions'",
            '"/Shared/lib/1. Imports and Common Functions"',
            "/Workspace/Shared/lib/1.\\ Imports\\ and\\ Common\\ Functions",
        ],
    )
    def test_run_takes_blanks_and_quotes(self, workspace: Workspace, line: str) -> None:
        workspace.notebook("name = 'found'", path="/Shared/lib/1. Imports and Common Functions")
        assert workspace.result(f"# MAGIC %run {line}", "dbutils.notebook.exit(name)") == "found"

    @pytest.mark.parametrize("suffix", [".py", ".ipynb"])
    def test_run_finds_a_file_whose_suffix_is_missing(self, workspace: Workspace, suffix: str) -> None:
        document = json.dumps({"cells": [{"cell_type": "code", "source": ["v = 7"]}], "metadata": {}})
        workspace.put(f"/Shared/test/part{suffix}", document if suffix == ".ipynb" else "v = 7", format="RAW")
        assert workspace.result("# MAGIC %run ./part", "dbutils.notebook.exit(v)") == "7"

    def test_run_sets_parameters(self, workspace: Workspace) -> None:
        workspace.notebook(
            "dbutils.widgets.text('who', 'x')\nwho = dbutils.widgets.get('who')", path="/Shared/test/sub"
        )
        assert workspace.result('# MAGIC %run ./sub $who="Ann Fox"', "dbutils.notebook.exit(who)") == "Ann Fox"

    def test_an_error_in_an_included_notebook_names_both_places(self, workspace: Workspace) -> None:
        workspace.notebook("x = 1\nboom()", path="/Shared/test/sub")
        output = workspace.failure("# MAGIC %run ./sub")
        assert output["error"] == "NameError: name 'boom' is not defined"
        assert 'File "/Shared/test/notebook", line 2, in <cell 1>' in output["error_trace"]
        assert 'File "/Shared/test/sub", line 3, in <cell 1>' in output["error_trace"]

    def test_a_circle_is_refused(self, workspace: Workspace) -> None:
        workspace.notebook("# MAGIC %run ./b", path="/Shared/test/a")
        workspace.notebook("# MAGIC %run ./a", path="/Shared/test/b")
        run_id = workspace.submit("/Shared/test/a")
        workspace.wait(run_id)
        error = workspace.output(run_id)["error"]
        assert "circle: /Shared/test/a -> /Shared/test/b -> /Shared/test/a" in error

    def test_the_same_notebook_may_be_included_twice(self, workspace: Workspace) -> None:
        workspace.notebook("count = globals().get('count', 0) + 1", path="/Shared/test/sub")
        cells = ("# MAGIC %run ./sub", "# MAGIC %run ./sub", "dbutils.notebook.exit(count)")
        assert workspace.result(*cells) == "2"

    def test_a_missing_include_says_where_it_looked(self, workspace: Workspace) -> None:
        assert "Notebook not found: /Shared/other/x" in workspace.failure("# MAGIC %run ../other/x")["error"]

    def test_an_include_cannot_leave_the_workspace(self, workspace: Workspace) -> None:
        assert "leaves the workspace" in workspace.failure("# MAGIC %run ../../../../etc/passwd")["error"]

    @pytest.mark.parametrize(
        ("magic", "reason"), [("sh ls", "Shell"), ("pip install x", "installs nothing"), ("scala 1", "Python")]
    )
    def test_what_does_not_run_says_so(self, workspace: Workspace, magic: str, reason: str) -> None:
        output = workspace.failure(f"# MAGIC %{magic}")
        assert output["error"].startswith(f"MagicError: %{magic.split()[0]} does not run: ")
        assert reason in output["error"]

    def test_an_unknown_magic_fails(self, workspace: Workspace) -> None:
        assert "%lsmagic does not run: It is unknown" in workspace.failure("# MAGIC %lsmagic")["error"]

    def test_fs_works_on_dbfs(self, workspace: Workspace) -> None:
        run_id = workspace.submit(
            workspace.notebook("dbutils.fs.put('/FileStore/tables/a.csv', 'x')", "# MAGIC %fs ls /FileStore/tables")
        )
        assert workspace.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert "dbfs:/FileStore/tables/a.csv" in workspace.page(run_id)

    def test_sql_without_spark_says_why(self, workspace: Workspace) -> None:
        output = workspace.failure("# MAGIC %sql\n# MAGIC SELECT 1")
        assert output["error"].startswith("RuntimeError: There is no Spark here")
        assert 'File "/Shared/test/notebook", line 3, in <cell 1>' in output["error_trace"]


class TestSparkContext:
    def test_sc_is_refused_as_in_standard_access_mode(self, workspace: Workspace) -> None:
        error = workspace.failure("sc.parallelize([1])")["error"]
        assert error.startswith("SparkContextError: [JVM_ATTRIBUTE_NOT_SUPPORTED] sc.parallelize")


class TestFolders:
    def test_the_working_folder_is_the_notebooks(self, workspace: Workspace) -> None:
        cell = "import os\ndbutils.notebook.exit(os.getcwd())"
        assert workspace.result(cell) == str(workspace.data / "workspace" / "Shared" / "test")

    def test_workspace_files_are_imported_never_those_of_the_repository(self, workspace: Workspace) -> None:
        workspace.put("/Shared/pinflow/include/__init__.py", "", format="AUTO")
        workspace.put("/Shared/pinflow/include/spark/__init__.py", "", format="AUTO")
        workspace.put("/Shared/pinflow/include/spark/cleaning.py", "def answer(): return __file__", format="AUTO")
        path = "/Shared/pinflow/include/spark/notebooks/batch_clean"
        workspace.notebook(
            "import os, sys\nsys.path.append(os.path.abspath('../../..'))",
            "from include.spark import cleaning\ndbutils.notebook.exit(cleaning.answer())",
            path=path,
        )
        run_id = workspace.submit(path)
        assert workspace.wait(run_id)["state"]["result_state"] == "SUCCESS", workspace.output(run_id)
        file = workspace.output(run_id)["notebook_output"]["result"]
        assert file == str(workspace.data / "workspace/Shared/pinflow/include/spark/cleaning.py")

    def test_the_repository_is_not_importable(self, workspace: Workspace) -> None:
        output = workspace.failure("import include.config")
        assert output["error"] == "ModuleNotFoundError: No module named 'include'"

    def test_modules_beside_the_notebook_are_found(self, workspace: Workspace) -> None:
        workspace.put("/Shared/test/beside.py", "value = 3", format="AUTO")
        assert workspace.result("import beside\ndbutils.notebook.exit(beside.value)") == "3"

    def test_names_of_the_notebook_are_those_of_main(self, workspace: Workspace) -> None:
        cell = "def f(): pass\nimport sys\ndbutils.notebook.exit(f'{__name__} {sys.modules[\"__main__\"].f is f}')"
        assert workspace.result(cell) == "__main__ True"


class TestOtherNotebooks:
    def test_run_gives_the_result_of_the_other_notebook(self, workspace: Workspace) -> None:
        workspace.notebook("dbutils.notebook.exit('got ' + dbutils.widgets.get('a'))", path="/Shared/test/child")
        cell = "dbutils.notebook.exit(dbutils.notebook.run('./child', 60, {'a': 5}))"
        assert workspace.result(cell) == "got 5"

    def test_its_failure_is_raised_with_its_trace(self, workspace: Workspace) -> None:
        workspace.notebook("x = 1\nraise ValueError('deep')", path="/Shared/test/child")
        output = workspace.failure("dbutils.notebook.run('child', 60)")
        assert "Notebook /Shared/test/child failed: ValueError: deep" in output["error"]
        assert 'File "/Shared/test/child", line 3, in <cell 1>' in output["error"]

    def test_it_is_stopped_when_its_time_is_over(self, workspace: Workspace) -> None:
        workspace.notebook("import threading\nthreading.Event().wait()", path="/Shared/test/child")
        output = workspace.failure("dbutils.notebook.run('child', 1)")
        assert "Notebook /Shared/test/child ran longer than 1 s" in output["error"]

    def test_a_missing_one_is_an_error(self, workspace: Workspace) -> None:
        assert "Notebook not found: /Shared/test/none" in workspace.failure("dbutils.notebook.run('none')")["error"]


class TestPythonFiles:
    def submit(self, workspace: Workspace, text: str, *arguments: str) -> int:
        workspace.put("/Shared/test/job.py", text, format="AUTO")
        task = {"python_file": "/Shared/test/job.py", "parameters": list(arguments)}
        return int(workspace.call("POST", "2.2/jobs/runs/submit", spark_python_task=task)["run_id"])

    def test_arguments_and_output(self, workspace: Workspace) -> None:
        run_id = self.submit(workspace, "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])", "a", "b c")
        assert workspace.wait(run_id)["state"]["result_state"] == "SUCCESS"
        assert workspace.output(run_id)["logs"] == "['a', 'b c']\n"

    def test_a_failure_has_its_trace(self, workspace: Workspace) -> None:
        run_id = self.submit(workspace, "x = 1\nraise KeyError('k')")
        assert workspace.wait(run_id)["state"]["result_state"] == "FAILED"
        output = workspace.output(run_id)
        assert output["error"] == "KeyError: 'k'"
        assert 'job.py", line 2, in <module>' in output["error_trace"]

    @pytest.mark.parametrize(("code", "result"), [("0", "SUCCESS"), ("None", "SUCCESS"), ("2", "FAILED")])
    def test_its_exit_code_counts(self, workspace: Workspace, code: str, result: str) -> None:
        run_id = self.submit(workspace, f"import sys\nsys.exit({code})")
        assert workspace.wait(run_id)["state"]["result_state"] == result
