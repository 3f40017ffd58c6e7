"""A pytest plugin: the files that take longest come first, so that two workers end at the same time.

``--dist loadfile`` gives each worker one file after the other, in the order of the collection (with
``--no-loadscope-reorder``; its own order goes by the number of tests, which says nothing of their time).
Files whose project is shared by a session come one after the other too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
SLOW = 12  # seconds of a file with the mark `slow` that is not named here
SECONDS = {  # about, on an idle machine with two cores; only the order counts
    "integration/docker/test_api_in_containers.py": 330,
    "integration/embedded/test_repair.py": 120,
    "e2e/test_story_on_docker.py": 85,
    "integration/carrying/test_backup_and_restore.py": 155,
    "integration/training/test_ray.py": 140,
    "integration/training/test_results.py": 60,
    "e2e/test_tutorial.py": 125,
    "integration/monitoring/test_monitor.py": 90,
    "integration/pipelines/test_pages.py": 125,
    "integration/pipelines/test_airflow.py": 180,
    "integration/monitoring/test_retrain.py": 75,
    "integration/monitoring/test_loop.py": 110,
    "integration/monitoring/test_watch.py": 120,
    "e2e/test_site.py": 90,
    "e2e/test_served_pages.py": 80,
    "integration/carrying/test_docker_carrying.py": 135,
    "integration/training/test_faults.py": 135,
    "contracts/test_spark.py": 130,
    "integration/docker_faults/test_engine_that_stops.py": 130,
    "integration/registry/test_promotion.py": 115,
    "integration/registry/test_promotion_to_project.py": 60,
    "integration/training/test_spark_cluster.py": 115,
    "integration/carrying/test_upgrade_embedded.py": 105,
    "integration/reliability/test_database_faults.py": 105,
    "integration/docker_faults/test_killed_services.py": 100,
    "contracts/test_networks.py": 90,
    "integration/serving/test_down_ends_servers.py": 90,
    "contracts/test_docker_stack.py": 85,
    "integration/docker/test_tools.py": 85,
    "integration/docker/test_docker_changes.py": 80,
    "contracts/test_h2o_automl.py": 70,
    "integration/datasets/test_faults.py": 100,
    "integration/carrying/test_data_sets.py": 60,
    "integration/docker/test_airflow_beside_containers.py": 90,
    "integration/docker/test_data_set_story.py": 60,
    "integration/datasets/test_load.py": 40,
    "integration/embedded/test_basic_auth.py": 70,
    "integration/reliability/test_kill_rounds.py": 70,
    "contracts/test_pycaret.py": 65,
    "integration/docker_faults/test_interrupted_up.py": 65,
    "integration/training/test_search_and_cache.py": 65,
    "e2e/test_readme.py": 130,
    "contracts/test_embedded_stack.py": 55,
    "integration/embedded/test_port_races.py": 55,
    "integration/docker_faults/test_what_is_missing.py": 50,
    "integration/docker/test_compose_plugin.py": 90,
    "integration/docker/test_podman.py": 50,
    "integration/serving/test_mlflow_engine.py": 40,
    "integration/trust/test_models_of_strangers.py": 45,
    "integration/datasets/test_dataset_source.py": 45,
    "integration/datasets/test_own_project.py": 40,
    "integration/docker/test_engine_over_ssh.py": 40,
    "integration/training/test_threshold.py": 40,
    "integration/page/test_captcha.py": 40,
    "integration/docker/test_added_service.py": 40,
    "integration/reliability/test_start_without_database.py": 40,
    "integration/serving/test_kills.py": 40,
    "integration/serving/test_models_of_other_environments.py": 40,
    "integration/serving/test_operations.py": 40,
    "contracts/test_scoring_protocol.py": 35,
    "contracts/test_every_door.py": 20,
    "integration/docker/test_docker_identity.py": 35,
    "integration/embedded/test_ports_and_failures.py": 35,
    "integration/docker_faults/test_own_images.py": 20,
    "integration/docker/test_own_services.py": 90,
    "integration/serving/test_following_by_notice.py": 20,
    "integration/images/test_mlflow_image.py": 35,
    "unit/server/compiled/test_estimators.py": 35,
    "integration/training/test_third_party_trainer.py": 35,
    "integration/embedded/test_up_with_api.py": 30,
    "integration/reliability/test_promotions.py": 30,
    "integration/remote/test_remote_story.py": 30,
    "integration/serving/test_serve_command.py": 30,
    "unit/model_process/test_client.py": 30,
    "integration/docker/test_docker_doctor.py": 25,
    "integration/page/test_page.py": 25,
    "integration/reliability/test_spooling_log.py": 25,
    "integration/training/test_stack_that_is_gone.py": 25,
    "integration/datasets/test_prepare_mistakes.py": 25,
    "integration/datasets/test_prepare.py": 25,
    "integration/datasets/test_prepare_kills.py": 20,
    "integration/embedded/test_stack_verbs.py": 20,
    "integration/images/test_services.py": 20,
    "integration/serving/test_predictions_commands.py": 20,
    "integration/training/test_environments.py": 20,
    "unit/worker/test_pool.py": 20,
    "contracts/test_boosting.py": 15,
    "integration/docker/test_docker_refusals.py": 15,
    "integration/docker/test_jobs_image.py": 15,
    "integration/docker/test_docker_rustfs.py": 15,
    "integration/page/test_page_for_everybody.py": 15,
    "integration/registry/test_mlflow_client.py": 15,
    "integration/serving/test_truth.py": 15,
    "unit/lifecycle/export/test_kubernetes_tools.py": 20,
    "unit/test_start_up.py": 15,
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
