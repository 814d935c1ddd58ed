"""Run pages: cells, outputs, progress, and nothing that runs on its own."""

from __future__ import annotations

import re

from sandbox.databricks.pages.cells import shown_cells
from tests.unit.sandbox.databricks.harness import Workspace


def text_of(page: str) -> str:
    body = page.partition("<body>")[2]
    return re.sub(r"<[^>]*>", "", body)


class TestRunPage:
    def test_cells_and_their_outputs(self, workspace: Workspace) -> None:
        cells = (
            "# MAGIC %md\n# MAGIC # Cleaning *pin*",
            "# DBTITLE 1,Numbers\nprint('printed')\nimport sys\nprint('warned', file=sys.stderr)",
            "display([{'name': 'a', 'n': 1}, {'name': '<b>', 'n': None}])",
            "6 * 7",
            "dbutils.notebook.exit('done')",
        )
        run, _ = workspace.run(*cells, parameters={"table": "pin"}, run_name="clean pin")
        page = workspace.page(run["run_id"])
        assert "<h1>Cleaning <em>pin</em></h1>" in page
        assert '<span class="title">Numbers</span>' in page
        assert '<pre class="stdout">printed\n</pre>' in page
        assert '<pre class="stderr">warned\n</pre>' in page
        assert "<th>name</th><th>n</th>" in page
        assert '<td>&lt;b&gt;</td><td class="null">null</td>' in page
        assert "<pre>42</pre>" in page
        assert '<pre class="result">done</pre>' in page
        assert "<tr><th>table</th><td>pin</td></tr>" in page
        assert "clean pin" in page
        assert 'class="state SUCCESS"' in page

    def test_an_error_shows_its_trace_once(self, workspace: Workspace) -> None:
        run, _ = workspace.run("raise ValueError('<script>boom</script>')")
        page = workspace.page(run["run_id"])
        assert page.count('<pre class="error">') == 1
        assert "&lt;script&gt;boom" in page
        assert "<script>boom" not in page

    def test_a_refused_task_shows_why(self, workspace: Workspace) -> None:
        answer = workspace.call("POST", "2.2/jobs/runs/submit", tasks=[{"task_key": "q", "sql_task": {}}])
        workspace.wait(answer["run_id"])
        assert "Tasks of the kind sql_task do not run" in text_of(workspace.page(answer["run_id"]))

    def test_html_of_a_notebook_is_shut_in(self, workspace: Workspace) -> None:
        run, _ = workspace.run("displayHTML('<script>alert(1)</script>')")
        page = workspace.page(run["run_id"])
        assert '<iframe sandbox srcdoc="&lt;script&gt;alert(1)' in page
        assert "<script>" not in page

    def test_it_loads_nothing_from_elsewhere(self, workspace: Workspace) -> None:
        run, _ = workspace.run("pass")
        answer = workspace.client.get(f"/runs/{run['run_id']}")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert not re.search(r"(src|href)=\"(https?:)?//", answer.text)

    def test_output_is_there_while_the_notebook_runs(self, workspace: Workspace) -> None:
        code = "import threading\nprint('first line')\nthreading.Event().wait()"
        run_id = workspace.submit(workspace.notebook(code))
        workspace.wait(run_id, lambda run: "first line" in workspace.client.get(f"/runs/{run_id}?body").text)
        page = workspace.page(run_id)
        assert "data-active" in page
        assert "refresh" in page
        assert ">running<" in page
        workspace.call("POST", "2.2/jobs/runs/cancel", run_id=run_id)
        workspace.wait(run_id)
        assert "data-active" not in workspace.page(run_id)

    def test_the_log_of_a_task(self, workspace: Workspace) -> None:
        run, _ = workspace.run("print('in the log')")
        answer = workspace.client.get(f"/tasks/{run['tasks'][0]['run_id']}/log")
        assert answer.text == "in the log\n"
        assert answer.headers["content-type"].startswith("text/plain")

    def test_an_unknown_run_is_404(self, workspace: Workspace) -> None:
        answer = workspace.client.get("/runs/77")
        assert answer.status_code == 404
        assert "Run 77 does not exist" in answer.text


def test_the_list_of_runs(workspace: Workspace) -> None:
    assert "Nothing has run yet" in workspace.client.get("/").text
    good, _ = workspace.run("pass", run_name="good <one>")
    bad, _ = workspace.run("1 / 0", run_name="bad one")
    page = workspace.client.get("/").text
    assert page.index("bad one") < page.index("good &lt;one&gt;")
    assert f'href="/runs/{good["run_id"]}"' in page
    assert f'href="/runs/{bad["run_id"]}"' in page


class TestCells:
    def test_neighbouring_streams_are_joined(self) -> None:
        events = [
            {"event": "cell", "cell": 1, "at": 1000, "title": "", "language": "python", "source": "x"},
            {"event": "stream", "cell": 1, "at": 1001, "name": "stdout", "text": "a"},
            {"event": "stream", "cell": 1, "at": 1002, "name": "stdout", "text": "b"},
            {"event": "stream", "cell": 1, "at": 1003, "name": "stderr", "text": "c"},
            {"event": "stream", "cell": 1, "at": 1004, "name": "stdout", "text": "d"},
            {"event": "end", "cell": 1, "at": 3500, "state": "SUCCESS"},
        ]
        (cell,) = shown_cells(events)
        assert [(output["name"], output["text"]) for output in cell.outputs] == [
            ("stdout", "ab"),
            ("stderr", "c"),
            ("stdout", "d"),
        ]
        assert cell.seconds == 2.5

    def test_a_cell_that_has_not_ended_runs(self) -> None:
        (cell,) = shown_cells([{"event": "cell", "cell": 1, "at": 1, "title": "", "language": "sql", "source": "x"}])
        assert cell.seconds is None
        assert cell.state == ""


def test_a_table_shows_a_thousand_rows_at_most(workspace: Workspace) -> None:
    run, _ = workspace.run("display([{'n': i} for i in range(1001)])")
    page = workspace.page(run["run_id"])
    assert "<td>999</td>" in page
    assert "<td>1000</td>" not in page
    assert "further ones are not shown" in page


def test_a_talkative_cell_is_cut_on_the_page_and_whole_in_the_log(workspace: Workspace) -> None:
    run, _ = workspace.run("for i in range(30000): print('line', i, 'x' * 40)")
    page = workspace.page(run["run_id"])
    assert "more is in the log" in page
    assert "line 29999" not in page
    log = workspace.client.get(f"/tasks/{run['tasks'][0]['run_id']}/log").text
    assert log.count("\n") == 30000
