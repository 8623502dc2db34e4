"""Which Terraform resource types hold data, so that replacing or deleting one of them loses something."""

from __future__ import annotations

import re

_STATEFUL = re.compile(
    r"google_storage_bucket"
    r"|google_bigquery_(?:dataset|table|routine)"
    r"|google_bigtable_(?:instance|table)"
    r"|google_sql_(?:database|database_instance)"
    r"|google_alloydb_(?:cluster|instance)"
    r"|google_spanner_(?:instance|database)"
    r"|google_firestore_database|google_datastore_\w+|google_filestore_instance"
    r"|google_redis_(?:instance|cluster)|google_memorystore_instance"
    r"|google_compute_(?:disk|region_disk|snapshot|image)"
    r"|google_pubsub_(?:topic|subscription)"
    r"|google_artifact_registry_repository"
    r"|google_kms_(?:key_ring|crypto_key)|google_secret_manager_secret"
    r"|google_vertex_ai_(?:endpoint|dataset|featurestore\w*|feature_\w+|index|index_endpoint|metadata_store|tensorboard)"
    r"|google_composer_environment"
    r"|aws_(?:s3_bucket|db_instance|rds_cluster|dynamodb_table|efs_file_system|ebs_volume|ecr_repository)"
    r"|azurerm_(?:storage_account|storage_container|\w*sql\w*_(?:server|database)|cosmosdb_account)"
)


def is_stateful(type_: str) -> bool:
    """Whether a resource of this type holds data: buckets, datasets, tables, feature stores, endpoints, databases."""
    return _STATEFUL.fullmatch(type_) is not None
