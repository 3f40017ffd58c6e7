"""Kubernetes: one description of the resources, written as manifests for Kustomize or as a Helm chart."""
