# The API on Cloud Run, over Cloud SQL for PostgreSQL, with a bucket for the artifacts of MLflow.
# The state holds the database's password: keep it in a bucket that few may read.

terraform {
  required_version = ">= 1.5"
  required_providers {
    google = { source = "hashicorp/google", version = "~> 6.0" }
    random = { source = "hashicorp/random", version = "~> 3.6" }
  }
}

variable "project" {
  type        = string
  description = "The project of Google Cloud."
}

variable "region" {
  type    = string
  default = "europe-west1"
}

variable "name" {
  type        = string
  default     = "credit"
  description = "The beginning of all names; staging and production have one each."
}

variable "image" {
  type        = string
  description = "The API's image, of `mlpipes build`, in Artifact Registry."
}

variable "callers" {
  type        = list(string)
  default     = []
  description = "Who may ask the API, such as group:team@example.com."
}

provider "google" {
  project = var.project
  region  = var.region
}

data "google_project" "this" {}

locals {
  host = "${var.name}-api-${data.google_project.this.number}.${var.region}.run.app"
}

resource "google_sql_database_instance" "this" {
  name                = var.name
  database_version    = "POSTGRES_17"
  deletion_protection = true
  settings {
    edition           = "ENTERPRISE"
    tier              = "db-custom-2-7680"
    availability_type = "REGIONAL"
    disk_autoresize   = true
    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
    }
    ip_configuration {
      ipv4_enabled = true
      ssl_mode     = "ENCRYPTED_ONLY"
    }
  }
}

resource "google_sql_database" "this" {
  name     = "mlpipes"
  instance = google_sql_database_instance.this.name
}

resource "random_password" "database" {
  length  = 32
  special = false
}

resource "google_sql_user" "this" {
  name     = "mlpipes"
  instance = google_sql_database_instance.this.name
  password = random_password.database.result
}

resource "google_storage_bucket" "artifacts" {
  name                        = "${var.project}-${var.name}-artifacts"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  versioning {
    enabled = true
  }
}

resource "google_service_account" "api" {
  account_id = "${var.name}-api"
}

resource "google_project_iam_member" "database" {
  project = var.project
  role    = "roles/cloudsql.client"
  member  = google_service_account.api.member
}

resource "google_secret_manager_secret" "database_url" {
  secret_id = "${var.name}-database-url"
  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "database_url" {
  secret = google_secret_manager_secret.database_url.id
  secret_data = format(
    "postgresql://%s:%s@/%s?host=/cloudsql/%s",
    google_sql_user.this.name,
    random_password.database.result,
    google_sql_database.this.name,
    google_sql_database_instance.this.connection_name,
  )
}

resource "google_secret_manager_secret_iam_member" "api" {
  secret_id = google_secret_manager_secret.database_url.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.api.member
}

resource "google_cloud_run_v2_job" "migrate" {
  name     = "${var.name}-migrate"
  location = var.region
  template {
    template {
      service_account = google_service_account.api.email
      max_retries     = 3
      timeout         = "600s"
      containers {
        image   = var.image
        command = ["python", "-m", "mlpipes_cli.lifecycle.serving.image_entry", "migrate"]
        env {
          name = "MLPIPES_DATABASE_URL"
          value_source {
            secret_key_ref {
              secret  = google_secret_manager_secret.database_url.secret_id
              version = "latest"
            }
          }
        }
        volume_mounts {
          name       = "cloudsql"
          mount_path = "/cloudsql"
        }
      }
      volumes {
        name = "cloudsql"
        cloud_sql_instance {
          instances = [google_sql_database_instance.this.connection_name]
        }
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.api, google_secret_manager_secret_version.database_url]
}

resource "google_cloud_run_v2_service" "api" {
  name     = "${var.name}-api"
  location = var.region
  template {
    service_account                  = google_service_account.api.email
    timeout                          = "30s"
    max_instance_request_concurrency = 64
    scaling {
      min_instance_count = 2
      max_instance_count = 6
    }
    containers {
      image = var.image
      ports {
        container_port = 8000
      }
      resources {
        limits = {
          cpu    = "2"
          memory = "2Gi"
        }
      }
      env {
        name  = "MLPIPES_SERVER_SETTINGS"
        value = jsonencode({ allowed_hosts = [local.host] })
      }
      env {
        name = "MLPIPES_DATABASE_URL"
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret.database_url.secret_id
            version = "latest"
          }
        }
      }
      startup_probe {
        period_seconds    = 5
        timeout_seconds   = 5
        failure_threshold = 48
        http_get {
          path = "/health"
        }
      }
      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 6
        http_get {
          path = "/health"
        }
      }
      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }
    }
    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [google_sql_database_instance.this.connection_name]
      }
    }
  }
  depends_on = [google_secret_manager_secret_iam_member.api, google_secret_manager_secret_version.database_url]
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = toset(var.callers)
  name     = google_cloud_run_v2_service.api.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value
}

output "url" {
  value = "https://${local.host}"
}

output "bucket" {
  value = google_storage_bucket.artifacts.name
}
