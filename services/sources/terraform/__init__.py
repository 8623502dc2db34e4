"""Terraform states and plans outside GitLab: in a Cloud Storage bucket, or in a local folder."""
