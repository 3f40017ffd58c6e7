"""A pytest plugin: the files that take longest come first, so that two workers end at the same time.

``--dist loadfile`` gives each worker one file after the other, in the order of the collection (with
``--no-loadscope-reorder``; its own order goes by the number of tests, which says nothing of their time).
Files whose project is shared by a session come one after the other too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SLOW = 12  # seconds of a file with the mark `slow` that is not named here
SECONDS = {  # about, on an idle machine with two cores; only the order counts
    "integration/docker/test_api_in_containers.py": 345,
    "integration/embedded/test_repair.py": 280,
    "e2e/test_story_on_docker.py": 255,
    "integration/registry/test_promotion.py": 240,
    "integration/carrying/test_backup_and_restore.py": 220,
    "integration/training/test_faults.py": 200,
    "contracts/test_h2o_automl.py": 180,
    "contracts/test_spark.py": 170,
    "integration/carrying/test_docker_carrying.py": 170,
    "integration/training/test_results.py": 165,
    "integration/docker/test_tools.py": 160,
    "integration/carrying/test_upgrade_embedded.py": 135,
    "contracts/test_networks.py": 130,
    "integration/training/test_ray.py": 130,
    "integration/serving/test_models_of_other_environments.py": 125,
    "integration/training/test_spark_cluster.py": 125,
    "contracts/test_pycaret.py": 120,
    "integration/embedded/test_basic_auth.py": 120,
    "integration/docker_faults/test_killed_services.py": 115,
    "contracts/test_docker_stack.py": 100,
    "integration/page/test_captcha.py": 100,
    "integration/docker/test_docker_changes.py": 95,
    "e2e/test_readme.py": 90,
    "integration/reliability/test_database_faults.py": 90,
    "integration/remote/test_remote_story.py": 90,
    "integration/docker_faults/test_what_is_missing.py": 85,
    "integration/serving/test_down_ends_servers.py": 85,
    "integration/training/test_search_and_cache.py": 85,
    "integration/docker_faults/test_engine_that_stops.py": 80,
    "integration/reliability/test_kill_rounds.py": 80,
    "contracts/test_embedded_stack.py": 75,
    "integration/training/test_environments.py": 75,
    "integration/serving/test_serve_command.py": 70,
    "integration/docker/test_docker_identity.py": 65,
    "integration/docker_faults/test_interrupted_up.py": 65,
    "integration/embedded/test_ports_and_failures.py": 65,
    "contracts/test_boosting.py": 60,
    "contracts/test_scoring_protocol.py": 60,
    "integration/embedded/test_port_races.py": 60,
    "integration/serving/test_operations.py": 55,
    "integration/serving/test_predictions_commands.py": 55,
    "integration/embedded/test_up_with_api.py": 45,
    "integration/images/test_mlflow_image.py": 45,
    "integration/serving/test_kills.py": 45,
    "e2e/test_bad_input.py": 40,
    "integration/docker/test_docker_doctor.py": 40,
    "integration/environments/test_store.py": 40,
    "integration/reliability/test_start_without_database.py": 40,
    "integration/docker/test_engine_over_ssh.py": 35,
    "integration/docker/test_docker_refusals.py": 30,
    "integration/embedded/test_stack_verbs.py": 30,
    "integration/remote/test_remote_faults.py": 30,
    "unit/server/test_elsewhere.py": 30,
    "integration/reliability/test_replay_command.py": 25,
    "integration/training/test_sample_in_the_model.py": 25,
    "integration/training/test_stack_that_is_gone.py": 25,
    "unit/server/compiled/test_estimators.py": 25,
    "e2e/test_bad_surroundings.py": 20,
    "integration/images/test_services.py": 20,
    "integration/page/test_page.py": 20,
    "integration/reliability/test_promotions.py": 20,
    "integration/serving/test_api_keys.py": 20,
    "unit/worker/test_pool.py": 20,
}


def seconds(item: pytest.Item) -> int:
    """About how long the file of a test takes."""
    name = item.path.relative_to(HERE).as_posix() if item.path.is_relative_to(HERE) else ""
    return SECONDS.get(name, SLOW if item.get_closest_marker("slow") else 0)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    files: dict[Path, int] = {}
    for item in items:
        files[item.path] = max(files.get(item.path, 0), seconds(item))
    items.sort(key=lambda item: -files[item.path])
