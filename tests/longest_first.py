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
    "integration/reliability/test_database_faults.py": 230,
    "integration/reliability/test_kill_rounds.py": 150,
    "contracts/test_scoring_protocol.py": 180,
    "integration/training/test_ray.py": 200,
    "contracts/test_h2o_automl.py": 180,
    "contracts/test_spark.py": 170,
    "e2e/test_readme.py": 150,
    "contracts/test_docker_stack.py": 170,
    "integration/carrying/test_docker_carrying.py": 160,
    "contracts/test_networks.py": 130,
    "integration/serving/test_models_of_other_environments.py": 125,
    "contracts/test_pycaret.py": 120,
    "integration/docker/test_docker_changes.py": 120,
    "integration/docker/test_api_in_containers.py": 175,
    "integration/docker_faults/test_engine_that_stops.py": 110,
    "integration/page/test_captcha.py": 100,
    "integration/training/test_environments.py": 75,
    "integration/training/test_search_and_cache.py": 75,
    "contracts/test_boosting.py": 60,
    "integration/training/test_limits.py": 60,
    "integration/environments/test_store.py": 40,
    "unit/worker/test_leftovers.py": 40,
    "integration/docker/test_docker_refusals.py": 50,
    "integration/reliability/test_promotions.py": 90,
    "integration/serving/test_operations.py": 90,
    "integration/carrying/test_upgrade_embedded.py": 90,
    "e2e/test_story_on_docker.py": 140,
    "integration/docker_faults/test_interrupted_up.py": 80,
    "integration/protocols/test_inference.py": 80,
    "integration/embedded/test_repair.py": 180,
    "integration/docker/test_engine_over_ssh.py": 75,
    "integration/carrying/test_backup_and_restore.py": 70,
    "contracts/test_embedded_stack.py": 70,
    "integration/reliability/test_spooling_log.py": 60,
    "integration/training/test_faults.py": 60,
    "e2e/test_bad_input.py": 55,
    "integration/reliability/test_start_without_database.py": 50,
    "integration/reliability/test_replay_command.py": 50,
    "integration/embedded/test_up_with_api.py": 50,
    "integration/docker/test_docker_doctor.py": 50,
    "integration/docker/test_docker_identity.py": 50,
    "integration/docker/test_tools.py": 50,
    "integration/docker/test_engine_over_tls.py": 45,
    "integration/remote/test_remote_story.py": 45,
    "integration/serving/test_serve_command.py": 45,
    "integration/serving/test_kills.py": 45,
    "integration/serving/test_down_ends_servers.py": 40,
    "integration/embedded/test_ports_and_failures.py": 40,
    "e2e/test_bad_surroundings.py": 40,
    "integration/serving/test_predictions_commands.py": 40,
    "integration/registry/test_promotion.py": 125,
    "integration/training/test_spark_cluster.py": 125,
    "integration/embedded/test_basic_auth.py": 115,
    "integration/docker_faults/test_killed_services.py": 110,
    "integration/training/test_results.py": 85,
    "integration/embedded/test_port_races.py": 70,
    "integration/docker_faults/test_what_is_missing.py": 55,
    "integration/images/test_mlflow_image.py": 40,
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
