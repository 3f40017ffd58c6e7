# A cluster of GKE (Autopilot) for the exported manifests or chart, Cloud SQL for PostgreSQL at a private address,
# and a bucket for the artifacts of MLflow. The state holds the database's password.

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
  type    = string
  default = "credit"
}

provider "google" {
  project = var.project
  region  = var.region
}

resource "google_compute_network" "this" {
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "this" {
  name                     = var.name
  network                  = google_compute_network.this.id
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true
}

resource "google_compute_global_address" "services" {
  name          = "${var.name}-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "this" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}

resource "google_container_cluster" "this" {
  name                = var.name
  location            = var.region
  network             = google_compute_network.this.id
  subnetwork          = google_compute_subnetwork.this.id
  enable_autopilot    = true
  deletion_protection = true
  release_channel {
    channel = "STABLE"
  }
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
      ipv4_enabled    = false
      private_network = google_compute_network.this.id
      ssl_mode        = "ENCRYPTED_ONLY"
    }
  }
  depends_on = [google_service_networking_connection.this]
}

# Staging and production: a database and a user each.
resource "google_sql_database" "this" {
  for_each = toset(["staging", "production"])
  name     = "mlpipes_${each.key}"
  instance = google_sql_database_instance.this.name
}

resource "random_password" "database" {
  for_each = google_sql_database.this
  length   = 32
  special  = false
}

resource "google_sql_user" "this" {
  for_each = google_sql_database.this
  name     = each.value.name
  instance = google_sql_database_instance.this.name
  password = random_password.database[each.key].result
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

# For the Secret of a namespace: `terraform output -json database_urls`.
output "database_urls" {
  sensitive = true
  value = {
    for stage, user in google_sql_user.this : stage => format(
      "postgresql://%s:%s@%s:5432/%s?sslmode=require",
      user.name,
      random_password.database[stage].result,
      google_sql_database_instance.this.private_ip_address,
      google_sql_database.this[stage].name,
    )
  }
}

output "cluster" {
  value = google_container_cluster.this.name
}

output "bucket" {
  value = google_storage_bucket.artifacts.name
}
