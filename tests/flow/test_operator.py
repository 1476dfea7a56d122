"""What an operator sees of a run in Prefect."""

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey, TaskRunFilter, TaskRunFilterTags
from prefect.client.schemas.objects import TaskRun

from flows.report import ARTIFACT_KEY


def task_runs(*tags: str) -> list[TaskRun]:
    wanted = TaskRunFilter(tags=TaskRunFilterTags(all_=list(tags)))
    with get_client(sync_client=True) as client:
        return client.read_task_runs(task_run_filter=wanted)


def test_a_list_is_found_by_its_name_and_tags(sync: Any) -> None:
    sync(accounts=["1000002"])
    runs = task_runs("account:1000002", "resource:tags")
    assert runs
    assert {run.name for run in runs} == {"extract tags of 1000002"}


def test_the_report_is_an_artifact(sync: Any) -> None:
    sync(accounts=["1000002"], resources=["tags"])
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[ARTIFACT_KEY])))
    newest = max(artifacts, key=lambda artifact: str(artifact.created))
    assert '"resource": "tags"' in str(newest.data)
    assert "dataset drip" in str(newest.description)
